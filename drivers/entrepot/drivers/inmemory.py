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
_PAGE = 1000  # keys that a scan takes at a time, so that it sees changes made meanwhile


class InMemoryOptions(DriverOptions):
    """The in-memory driver has no parameters."""


@dataclass(frozen=True, slots=True)
class _Object:
    content: bytes
    modified: float


@dataclass(slots=True)
class _Store:
    """What one opened driver holds; never shared with another one."""

    objects: dict[str, _Object] = field(default_factory=dict[str, _Object])
    keys: list[str] = field(default_factory=list[str])  # sorted
    uploads: dict[str, bytearray] = field(default_factory=dict[str, bytearray])

    def put(self, key: str, content: bytes) -> Entry:
        if key not in self.objects:
            insort(self.keys, key)
        self.objects[key] = _Object(content, time.time())
        return self.entry(key)

    def entry(self, key: str) -> Entry:
        found = self.objects[key]
        return Entry(key, len(found.content), found.modified)

    def drop(self, key: str) -> None:
        if self.objects.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]


class InMemoryDriver(Driver):
    """Objects in a dictionary. Whatever happens between two awaits is atomic."""

    def __init__(self) -> None:
        self._store = _Store()

    async def stat(self, key: str) -> Entry:
        if key not in self._store.objects:
            raise NotFoundError(key)
        return self._store.entry(key)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        found = self._store.objects.get(key)
        if found is None:
            raise NotFoundError(key)
        end = len(found.content) if stop is None else min(stop, len(found.content))
        for at in range(start, end, _CHUNK):
            yield found.content[at : min(end, at + _CHUNK)]

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
        keys = self._store.keys
        at = max(bisect_left(keys, prefix), bisect_right(keys, after))
        while at < len(keys) and keys[at].startswith(prefix):
            key = keys[at]
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                yield self._store.entry(key)
                at = bisect_right(keys, key)
            else:
                group = key[: cut + len(delimiter)]
                yield Prefix(group)
                at = bisect_left(keys, _past(group))

    async def move(self, source: str, target: str) -> Entry:
        found = self._store.objects.get(source)
        if found is None:
            raise NotFoundError(source)
        self._store.drop(source)
        return self._store.put(target, found.content)

    def upload(self, token: str) -> Upload:
        return _InMemoryUpload(self._store, token)


class _InMemoryUpload(Upload):
    def __init__(self, store: _Store, token: str) -> None:
        self._store = store
        self._token = token

    async def size(self) -> int:
        return len(self._store.uploads.get(self._token, b""))

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        await self._check(offset)
        async for chunk in chunks:
            await self._check(offset)  # somebody else may have appended meanwhile
            self._store.uploads.setdefault(self._token, bytearray()).extend(chunk)
            offset += len(chunk)
        return offset

    async def commit(self, key: str, size: int) -> Entry:
        await self._check(size)
        content = self._store.uploads.pop(self._token, bytearray())
        return self._store.put(key, bytes(content))

    async def abort(self) -> None:
        self._store.uploads.pop(self._token, None)

    async def _check(self, offset: int) -> None:
        size = await self.size()
        if size != offset:
            raise OffsetError(self._token, f"upload holds {size} bytes, not {offset}")


def _past(group: str) -> str:
    """The least string that is greater than every key in a group."""
    return group[:-1] + chr(ord(group[-1]) + 1)


@asynccontextmanager
async def open_inmemory(_: InMemoryOptions) -> AsyncGenerator[Driver, None]:
    """A driver over a new, empty store, which ends with the context."""
    yield InMemoryDriver()


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("inmemory", open_inmemory, InMemoryOptions)
