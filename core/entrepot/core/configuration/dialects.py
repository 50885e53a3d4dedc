"""Old spellings brought to the present one, before the models see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from entrepot.core.configuration.mistakes import line, nearest
from entrepot.core.configuration.tree import Items, Path, Table, dotted, is_null, step

SECTIONS_BY_NAME = ("storage", "auth")
"""Sections that may be the mere name of what they choose."""


def spell_out(tree: Table) -> None:
    """Turn `storage: inmemory` into a section with that name in it."""
    for key in SECTIONS_BY_NAME:
        written = tree.get(key)
        if isinstance(written, str) and not is_null(written):
            tree[key] = Table(written.origin, [(str(written), Table(written.origin))])


@dataclass(frozen=True, slots=True)
class _Moved:
    old: Path
    new: Path
    listed: bool = False  # the new key holds a list of what the old one held alone


_MOVED = (
    _Moved(("loglevel",), ("log", "level")),
    _Moved(("storage", "cache", "layerinfo"), ("storage", "cache", "blobdescriptor")),
    _Moved(("redis", "addr"), ("redis", "addrs"), listed=True),
    _Moved(("redis", "pool", "maxidle"), ("redis", "maxidleconns")),
    _Moved(("redis", "pool", "maxactive"), ("redis", "maxactiveconns")),
    _Moved(("redis", "pool", "idletimeout"), ("redis", "connmaxidletime")),
)


def modernise(tree: Table) -> Iterator[str]:
    """Move what has another name now, where that is not used already; a note for each."""
    for moved in _MOVED:
        found = _section(tree, moved.old[:-1])
        if found is None or is_null(old := found.get(str(moved.old[-1]))) or old is None:
            continue
        target = _section(tree, moved.new[:-1], old.origin)
        if target is None:
            continue
        del found[str(moved.old[-1])]
        name = str(moved.new[-1])
        used = is_null(target.get(name))
        if used:
            target[name] = Items(old.origin, [old]) if moved.listed else old
        effect = "" if used else ", which is there and counts"
        yield line(moved.old, f"deprecated; write `{dotted(moved.new)}`{effect}", old.origin)


def _section(tree: Table, path: Path, origin: str = "") -> Table | None:
    """The section at a path, made if `origin` is given; None if there is none."""
    at = tree
    for key in map(str, path):
        under = step(at, key)
        if is_null(under) and origin:
            under = at[key] = Table(origin)
        if not isinstance(under, Table):
            return None
        at = under
    return at


def several(tree: Table, section: str, settings: list[str], kind: str) -> Iterator[str]:
    """A mistake if a section chooses more than one of what it may choose one of."""
    written = tree.get(section)
    if not isinstance(written, Table):
        return
    chosen = {key: value.origin for key, value in written.items() if key not in settings}
    if len(chosen) < 2:
        return
    named = ", ".join(f"{key} [{origin}]" for key, origin in chosen.items())
    remedy = _remedy(section, chosen, settings)
    yield line((section,), f"more than one {kind}: {named}; {remedy}")


def _remedy(section: str, chosen: dict[str, str], settings: list[str]) -> str:
    for key in chosen:
        if meant := nearest(key, settings):
            return f"did you mean {meant!r} by {key!r}?"
    from_variables = [key for key, origin in chosen.items() if origin.startswith("environment ")]
    if len(from_variables) == 1:
        name = from_variables[0]
        return f"to use {name}, set REGISTRY_{section.upper()}={name} too"
    return "keep one"
