"""The least driver there can be: the five methods over a dictionary, and nothing faster."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

from entrepot.core.driver import Driver, Entry, Prefix
from entrepot.core.errors import ExistsError, NotFoundError
from entrepot.core.testing.material import MIB


@dataclass(frozen=True, slots=True)
class Stored:
    content: bytes
    modified: float


class DictionaryDriver(Driver):
    def __init__(self, store: dict[str, Stored]) -> None:
        self.store = store

    async def stat(self, key: str) -> Entry:
        return self.entry(key)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        content = self.find(key).content[start:stop]
        for at in range(0, len(content), MIB):
            yield content[at : at + MIB]

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b"".join([chunk async for chunk in chunks])
        if create and key in self.store:
            raise ExistsError(key)
        self.store[key] = Stored(content, time.time())
        return self.entry(key)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.store.pop(key, None)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        given = ""
        for key in sorted(self.store):
            if not key.startswith(prefix) or key <= after or key not in self.store:
                continue
            head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            if not found:
                yield self.entry(key)
            elif (shared := prefix + head + delimiter) != given:
                given = shared
                yield Prefix(shared)

    def find(self, key: str) -> Stored:
        try:
            return self.store[key]
        except KeyError:
            raise NotFoundError(key) from None

    def entry(self, key: str) -> Entry:
        stored = self.find(key)
        return Entry(key, len(stored.content), stored.modified)
