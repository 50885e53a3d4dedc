"""The sorted list of keys, which RADOS itself does not have.

An entry is made for each head, `<key> <id>`, before the head is; only who has removed or replaced
that very head removes it. So a live head always has its entry, whoever is interrupted where. An
entry that nobody confirmed, or that is about to go, is pending: a listing looks at the head.
"""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass

from entrepot_rados.head import Head, new_id
from entrepot_rados.objects import Change, Objects, is_changed
from entrepot_rados.places import shard, shard_of

SEPARATOR = " "  # before every character of a key, so that entries are in the order of keys
_PENDING, _LIVE = "?", "="
_THERE = {"!": "entrepot"}  # in each shard, before every entry: else it is not the index any more
DAMAGED = "the index is damaged or was spread anew; stop the registries, `entrepot-rados reindex`"


@dataclass(frozen=True, slots=True)
class Layout:
    """What is written into the pool at the first start."""

    epoch: int  # of the index; changes when it is spread anew
    shards: int


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry. `size` is -1 while it is pending, and `modified` then when that began."""

    key: str
    id: str
    size: int
    modified: float


class Index:
    def __init__(self, objects: Objects, layout: Layout) -> None:
        self._objects = objects
        self.layout = layout

    def begin(self, key: str, id_: str, *, replaced: str = "", drop: str = "") -> str:
        """A pending entry for a head to come, and for the one it replaces; gives its value."""
        value = _pending()
        puts = {_name(key, id_): value} | ({_name(key, replaced): value} if replaced else {})
        drops = [_name(key, drop)] if drop and drop != replaced else []
        try:
            change = Change(expected=_THERE, puts=puts, drops=drops)
            self._objects.change(self._shard(key), change)
        except OSError as error:
            if is_changed(error):
                raise OSError(errno.EBADMSG, DAMAGED) from error
            raise
        return value

    def mark(self, key: str, id_: str) -> None:
        """Let listings look at a head that is about to go."""
        self.begin(key, id_)

    def confirm(self, key: str, head: Head, value: str, *, replaced: str = "") -> None:
        """The head is there. Raises OSError: `is_changed`, if somebody is about to remove it."""
        name = _name(key, head.id)
        live = f"{_LIVE} {head.size} {head.modified!r}"
        drops = [_name(key, replaced)] if replaced else []
        change = Change(expected={name: value}, puts={name: live}, drops=drops)
        self._objects.change(self._shard(key), change)

    def drop(self, key: str, id_: str) -> None:
        """For who knows that there is no such head and will be none."""
        self._objects.change(self._shard(key), Change(drops=[_name(key, id_)]))

    def find(self, key: str, id_: str) -> Listed | None:
        name = _name(key, id_)
        found = self._objects.values(self._shard(key), [name])
        return _listed(name, found[name]) if name in found else None

    def page(self, number: int, after: str, prefix: str, most: int) -> list[tuple[str, Listed]]:
        """Entries of one shard in order, by their names."""
        place = shard("index", self.layout.epoch, number)
        after = max(after, *_THERE)
        try:
            found = self._objects.page(place, after, prefix, most)
        except FileNotFoundError as error:
            raise OSError(errno.EBADMSG, DAMAGED) from error
        return [(name, _listed(name, value)) for name, value in found]

    def make(self) -> None:
        """All its objects, empty where they are not there."""
        for number in range(self.layout.shards):
            self._objects.make(shard("index", self.layout.epoch, number), _THERE)

    def remove(self) -> None:
        for number in range(self.layout.shards):
            self._objects.discard(shard("index", self.layout.epoch, number))

    def _shard(self, key: str) -> str:
        return shard("index", self.layout.epoch, shard_of(key, self.layout.shards))


def _name(key: str, id_: str) -> str:
    return f"{key}{SEPARATOR}{id_}"


def _pending() -> str:
    """Of nobody else, so that only who began an entry confirms it."""
    return f"{_PENDING} {time.time()!r} {new_id()}"


def _listed(name: str, value: str) -> Listed:
    key, _, id_ = name.partition(SEPARATOR)
    state, *said = value.split()
    if state == _LIVE:
        return Listed(key, id_, int(said[0]), float(said[1]))
    return Listed(key, id_, -1, float(said[0]))
