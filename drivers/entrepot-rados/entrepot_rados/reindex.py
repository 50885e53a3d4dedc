"""The index and the records made anew from what is in the pool. Blocking.

All of it may run while registries serve, but for `spread`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from entrepot_rados.generations import Record
from entrepot_rados.index import Index, Layout, Listed
from entrepot_rados.objects import Change, is_changed
from entrepot_rados.places import LAYOUT, key_of
from entrepot_rados.state import States
from entrepot_rados.store import Store

GRACE = 24 * 3600.0  # seconds after which nobody goes on with what is unfinished
_WIDTH = 16
_BATCH = 1000
ItemT = TypeVar("ItemT")


@dataclass(slots=True)
class Report:
    objects: int = 0
    added: int = 0  # entries that the index lacked
    removed: int = 0  # entries of no object
    abandoned: int = 0  # writes that came to nothing
    chunks: int = 0  # that they left

    def __str__(self) -> str:
        return (
            f"objects: {self.objects}; entries added to the index: {self.added}, "
            f"removed: {self.removed}; abandoned writes removed: {self.abandoned} "
            f"({self.chunks} chunks)"
        )


def reindex(store: Store, *, grace: float = GRACE) -> Report:
    """Add the entries that are missing, remove those of no object and chunks of nobody.

    What is unfinished is left alone for `grace` seconds.
    """
    report = Report()
    before = time.time() - grace
    store.index.make()
    for found in _side_by_side(lambda name: _visited(store, name, before), store.objects.names()):
        report.objects += found is not None
        report.added += found or False
    stale = _side_by_side(lambda entry: _is_stale(store, entry, before), _entries(store))
    report.removed = sum(stale)
    for chunks in _side_by_side(lambda record: _freed(store, record, before), _records(store)):
        report.abandoned += chunks is not None
        report.chunks += chunks or 0
    return report


def spread(store: Store, shards: int) -> Store:
    """The same store with an index of so many objects. Nobody may write meanwhile."""
    layout = Layout(store.index.layout.epoch + 1, shards)
    new = Store(store.objects, Index(store.objects, layout))
    new.index.remove()  # what an interrupted one left
    reindex(new)
    said = json.dumps({"entrepot": 1, "epoch": layout.epoch, "shards": layout.shards})
    store.objects.change(LAYOUT, Change(content=said.encode()))
    store.index.remove()
    return new


def _visited(store: Store, name: str, before: float) -> bool | None:
    """Whether an entry was added for a head; None for what is no head."""
    key = key_of(name)
    head = store.find(key) if key is not None else None
    if key is None or head is None:
        return None
    if head.generation and store.generations.find(head.generation) is None:
        store.generations.record(head.generation, store.load(key).runs, key=key)
    entry = store.index.find(key, head.id)
    if entry is None or (entry.size < 0 and entry.modified < before):
        _add(store, key, head.id)
    return entry is None


def _add(store: Store, key: str, id_: str) -> None:
    value = store.index.begin(key, id_)
    head = store.find(key)
    if head is None or head.id != id_:
        store.index.drop(key, id_)
        return
    try:
        store.index.confirm(key, head, value)
    except OSError as error:
        if not is_changed(error):
            raise


def _is_stale(store: Store, entry: Listed, before: float) -> bool:
    """Remove an entry of no object: ids never come back. A pending one may be of one to come."""
    if entry.size < 0 and entry.modified > before:
        return False
    head = store.find(entry.key)
    if head is not None and head.id == entry.id:
        return False
    store.index.drop(entry.key, entry.id)
    return True


def _freed(store: Store, record: Record, before: float) -> int | None:
    """The number of chunks removed, if they are of nobody."""
    if record.since > before:
        return None
    head = store.find(record.key) if record.key else None
    if head is not None and head.generation == record.generation:
        return None
    state = States(store.objects).find(record.token) if record.token else None
    if state is not None and state.generation == record.generation:
        return None
    return store.generations.discard(record.generation, record.runs)


def _entries(store: Store) -> Iterator[Listed]:
    for number in range(store.index.layout.shards):
        after = ""
        while page := store.index.page(number, after, "", 500):
            yield from (entry for _, entry in page)
            after = page[-1][0]


def _records(store: Store) -> Iterator[Record]:
    for number in store.generations.shards:
        after = ""
        while page := store.generations.page(number, after):
            yield from page
            after = page[-1].generation


ResultT = TypeVar("ResultT")


def _side_by_side(
    function: Callable[[ItemT], ResultT], items: Iterable[ItemT]
) -> Iterator[ResultT]:
    """`function` of each, some at a time, and few of the items in memory."""
    left = iter(items)
    with ThreadPoolExecutor(_WIDTH) as threads:
        while batch := list(islice(left, _BATCH)):
            yield from threads.map(function, batch)
