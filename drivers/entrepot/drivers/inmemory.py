"""Everything in this process's memory, gone with it: for tests and for trying things out."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from entrepot.core import (
    Driver,
    DriverOptions,
    Entry,
    ExistsError,
    NotFoundError,
    OffsetError,
    Prefix,
    RegisterDriver,
    Upload,
    hookimpl,
)

_CHUNK = 1024 * 1024


class InMemoryOptions(DriverOptions):
    """The in-memory driver has no parameters."""


@dataclass(frozen=True, slots=True)
class _Object:
    content: bytes
    modified: float

    def entry(self, key: str) -> Entry:
        return Entry(key, len(self.content), self.modified)


@dataclass(slots=True)
class _Growing:
    """What an upload holds."""

    chunks: list[bytes] = field(default_factory=list[bytes])
    size: int = 0  # bytes


class Store:
    """What a driver holds. Objects are replaced, never changed: readers go on undisturbed."""

    def __init__(self) -> None:
        self.objects: dict[str, _Object] = {}
        self.keys: list[str] = []  # sorted
        self.uploads: dict[str, _Growing] = {}

    def find(self, key: str) -> _Object:
        found = self.objects.get(key)
        if found is None:
            raise NotFoundError(key)
        return found

    def put(self, key: str, content: bytes) -> Entry:
        if key not in self.objects:
            insort(self.keys, key)
        new = self.objects[key] = _Object(content, time.time())
        return new.entry(key)

    def drop(self, key: str) -> None:
        if self.objects.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]


class InMemoryDriver(Driver):
    """Objects in a dictionary, by default an own one. What happens between awaits is atomic."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store or Store()

    async def stat(self, key: str) -> Entry:
        return self._store.find(key).entry(key)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        content = self._store.find(key).content
        end = len(content) if stop is None else min(stop, len(content))
        for at in range(start, end, _CHUNK):
            yield content[at : min(end, at + _CHUNK)]

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b"".join([chunk async for chunk in chunks])
        if create and key in self._store.objects:
            raise ExistsError(key)
        return self._store.put(key, content)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._store.drop(key)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        """Looks for its place again after each item, because the keys may have changed."""
        keys = self._store.keys
        at = max(bisect_left(keys, prefix), bisect_right(keys, after))
        while at < len(keys) and keys[at].startswith(prefix):
            key = keys[at]
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                yield self._store.objects[key].entry(key)
                at = bisect_right(keys, key)
            else:
                group = key[: cut + len(delimiter)]
                yield Prefix(group)
                at = bisect_left(keys, _past(group))

    async def copy(self, source: str, target: str) -> Entry:
        return self._store.put(target, self._store.find(source).content)

    async def move(self, source: str, target: str) -> Entry:
        found = self._store.find(source)
        self._store.drop(source)
        return self._store.put(target, found.content)

    def upload(self, token: str) -> Upload:
        return _InMemoryUpload(self._store, token)


class _InMemoryUpload(Upload):
    def __init__(self, store: Store, token: str) -> None:
        self._store = store
        self._token = token

    async def size(self) -> int:
        growing = self._store.uploads.get(self._token)
        return growing.size if growing else 0

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        """Of two at once, the one whose bytes come first goes on, and the other is told."""
        held = self._held(offset)
        async for chunk in chunks:
            if chunk:
                self._check_untouched(held, offset)
                self._store.uploads[self._token] = held
                held.chunks.append(chunk)
                held.size = offset = offset + len(chunk)
        self._check_untouched(held, offset)
        return offset

    async def commit(self, key: str, size: int) -> Entry:
        held = self._held(size)
        self._store.uploads.pop(self._token, None)
        return self._store.put(key, b"".join(held.chunks))

    async def abort(self) -> None:
        self._store.uploads.pop(self._token, None)

    def _held(self, size: int) -> _Growing:
        held = self._store.uploads.get(self._token) or _Growing()
        if held.size != size:
            raise OffsetError(self._token, f"upload holds {held.size} bytes, not {size}")
        return held

    def _check_untouched(self, held: _Growing, size: int) -> None:
        there = self._store.uploads.get(self._token)
        if held.size != size or there is not (held if size else None):
            raise OffsetError(self._token, "another append, or the upload's end, came first")


def _past(group: str) -> str:
    """The least string that is greater than every key in a group."""
    return group[:-1] + chr(ord(group[-1]) + 1)


@asynccontextmanager
async def open_inmemory(_options: InMemoryOptions, /) -> AsyncGenerator[Driver, None]:
    """A driver over a new, empty store, which ends with the context."""
    yield InMemoryDriver()


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("inmemory", open_inmemory, InMemoryOptions)
