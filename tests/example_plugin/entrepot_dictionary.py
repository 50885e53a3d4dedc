"""An Entrepot driver that keeps everything in a dictionary, until the process ends."""

import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pydantic import Field

from entrepot.core import (
    Driver,
    DriverOptions,
    Entry,
    ExistsError,
    NotFoundError,
    Prefix,
    RegisterDriver,
    hookimpl,
)

Store = dict[str, tuple[bytes, float]]  # content and time, by key
STORES: dict[str, Store] = defaultdict(dict)


class DictionaryOptions(DriverOptions):
    name: str = Field(default="default", description="Drivers of one name share one store.")
    chunk: int = Field(default=1024 * 1024, gt=0, description="Most bytes read at a time.")


class DictionaryDriver(Driver):
    def __init__(self, options: DictionaryOptions) -> None:
        self.store = STORES[options.name]
        self.chunk = options.chunk

    async def stat(self, key: str) -> Entry:
        content, modified = self._find(key)
        return Entry(key, len(content), modified)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        content = self._find(key)[0][start:stop]
        for at in range(0, len(content), self.chunk):
            yield content[at : at + self.chunk]

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b"".join([chunk async for chunk in chunks])
        if create and key in self.store:  # no await from here on, so nobody comes between
            raise ExistsError(key)
        self.store[key] = content, time.time()
        return await self.stat(key)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.store.pop(key, None)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        last = ""
        for key in sorted(self.store):
            if not key.startswith(prefix) or key <= after or key not in self.store:
                continue
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                yield await self.stat(key)
            elif last != (last := key[: end + 1]):
                yield Prefix(last)

    def _find(self, key: str) -> tuple[bytes, float]:
        try:
            return self.store[key]
        except KeyError:
            raise NotFoundError(key) from None


@asynccontextmanager
async def open_dictionary(options: DictionaryOptions) -> AsyncGenerator[Driver, None]:
    yield DictionaryDriver(options)  # a client would be closed behind this line


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("dictionary", open_dictionary, DictionaryOptions)
