"""All drivers with a planted mistake."""

from __future__ import annotations

from . import broken_listings, broken_objects

BROKEN: tuple[type[broken_objects.BrokenDriver], ...] = tuple(
    value
    for module in (broken_objects, broken_listings)
    for value in vars(module).values()
    if isinstance(value, type)
    and issubclass(value, broken_objects.BrokenDriver)
    and value.__module__ == module.__name__
    and value is not broken_objects.BrokenDriver
)
