"""What to install for modules that a plug-in needs and that are not here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+).*?;.*\bextra\s*==\s*['\"](?P<extra>[^'\"]+)")


def absent(modules: Iterable[str], distribution: str, name: str) -> str:
    """Which modules cannot be imported and the command that brings them; "" if all can.

    The command is found in what `distribution` requires for its extras: the extra with a
    package of the module's name, or the extra called `name`.
    """
    missing = [module for module in modules if not _is_here(module)]
    return told_missing(missing[0], distribution, name) if missing else ""


def told_missing(module: str, distribution: str, name: str) -> str:
    """What to say of a module that cannot be imported."""
    extra = _extra(module.partition(".")[0], distribution, name)
    command = f"{distribution}[{extra}]" if extra else ""
    told = f"needs {module}, which is not installed"
    return f"{told}: pip install '{command}'" if command else told


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # of the package it is in
        return False


def _extra(module: str, distribution: str, name: str) -> str:
    try:
        required = requires(distribution) if distribution else None
    except PackageNotFoundError:
        return ""
    extras = [
        (_normal(found["name"]), found["extra"])
        for found in map(_REQUIREMENT.match, required or ())
        if found
    ]
    by_module = [extra for package, extra in extras if package == _normal(module)]
    by_name = [extra for _, extra in extras if _normal(extra) == _normal(name)]
    return next(iter(sorted(by_module, key=lambda extra: extra != name) + by_name), "")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
