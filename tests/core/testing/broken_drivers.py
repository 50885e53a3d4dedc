"""All drivers with a planted mistake."""

from __future__ import annotations

from . import broken_ends, broken_listings, broken_objects, broken_processes

BROKEN: tuple[type[broken_objects.BrokenDriver], ...] = tuple(
    value
    for module in (broken_objects, broken_listings, broken_ends, broken_processes)
    for name, value in vars(module).items()
    if not name.startswith("_")
    and isinstance(value, type)
    and issubclass(value, broken_objects.BrokenDriver)
    and value.__module__ == module.__name__
    and value is not broken_objects.BrokenDriver
)
