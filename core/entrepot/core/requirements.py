"""What to install for modules that a plug-in needs and that are not here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

_REQUIREMENT = re.compile(
    r"(?P<plain>(?P<name>[A-Za-z0-9._-]+)[^;]*)(?:;.*\bextra\s*==\s*['\"](?P<extra>[^'\"]+))?"
)


def absent(modules: Sequence[str] | Mapping[str, str], distribution: str, name: str) -> str:
    """Which modules cannot be imported and what brings them; "" if all can.

    A mapping says it of each. Else it is a command, found in what `distribution` requires: itself,
    if that is a package of the module's name; else for its extras, by the extra with such a
    package or the one called `name`.
    """
    missing = [module for module in modules if not _is_here(module)]
    if missing and isinstance(modules, Mapping):
        return f"needs {missing[0]}, which is not installed: {modules[missing[0]]}"
    return told_missing(missing[0], distribution, name) if missing else ""


def told_missing(module: str, distribution: str, name: str) -> str:
    """What to say of a module that cannot be imported."""
    command = _command(module.partition(".")[0], distribution, name)
    told = f"needs {module}, which is not installed"
    return f"{told}: pip install '{command}'" if command else told


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # of the package it is in
        return False


def _command(module: str, distribution: str, name: str) -> str:
    """What pip is to install; "" if nobody knows."""
    try:
        required = requires(distribution) if distribution else None
    except PackageNotFoundError:
        return ""
    found = [each for each in map(_REQUIREMENT.match, required or ()) if each]
    own = [each for each in found if _normal(each["name"]) == _normal(module)]
    for each in own:
        if not each["extra"]:
            return each["plain"].strip()
    by_module = sorted((each["extra"] for each in own), key=lambda extra: extra != name)
    by_name = [each["extra"] for each in found if _normal(each["extra"] or "") == _normal(name)]
    extra = next(iter(by_module + by_name), "")
    return f"{distribution}[{extra}]" if extra else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
