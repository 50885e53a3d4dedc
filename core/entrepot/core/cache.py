"""A cache for content that never changes, bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class ContentCache(Generic[ValueT]):
    """Values by key, the longest unused leaving first.

    `budget` and `largest` are bytes: of all values together, and of one value that is kept.
    `hits` and `misses` count what was asked for.
    """

    def __init__(self, budget: int, largest: int) -> None:
        self.largest = largest
        self._budget = budget
        self._held: OrderedDict[str, tuple[ValueT, int]] = OrderedDict()
        self._size = 0
        self.hits = 0
        self.misses = 0

    def get(self, key: str) -> ValueT | None:
        found = self._held.get(key)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._held.move_to_end(key)
        return found[0]

    def put(self, key: str, value: ValueT, size: int) -> None:
        if size > self.largest:
            return
        self.drop(key)
        self._held[key] = (value, size)
        self._size += size
        while self._size > self._budget:
            self._size -= self._held.popitem(last=False)[1][1]

    def drop(self, key: str) -> None:
        found = self._held.pop(key, None)
        if found is not None:
            self._size -= found[1]
