"""A driver that fails on cue, so that tests meet the failures a backend has once a year."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from entrepot.core.driver import Driver, Entry, Prefix, Upload

Operation = Literal[
    "stat", "read", "write", "delete", "scan", "copy", "move", "link",
    "size", "append", "commit", "abort",
]  # fmt: skip
"""A method of `Driver`, or of `Upload` for the last four, whose key is the token."""

When = Literal["before", "midway", "after"]


class Hang:
    """A place at which a call waits: `await hang.reached.wait()`, then `hang.released.set()`."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.released = asyncio.Event()


@dataclass
class Fault:
    """What happens to the calls of one operation whose key matches.

    It happens `before` the driver is asked, `midway` (behind the first chunk or entry of a
    read, scan, write or append; for the others that is before), or `after` the driver did
    all of it. First comes the hang, then the error; a fault with neither does nothing.
    """

    operation: Operation
    error: BaseException | None = None
    keys: str = "*"  # a shell pattern; of `copy` and `move` the source, of `scan` the prefix
    when: When = "before"
    nth: int = 1  # the first matching call that it hits, counted from 1
    times: int | None = 1  # how many it hits from there; None: all
    hang: Hang | None = None
    met: int = field(default=0, init=False)  # matching calls so far

    def hits(self, operation: Operation, keys: Sequence[str]) -> bool:
        """Count a call that matches, and tell whether it is one to fail."""
        if operation != self.operation or not any(fnmatchcase(key, self.keys) for key in keys):
            return False
        self.met += 1
        return self.met >= self.nth and (self.times is None or self.met < self.nth + self.times)

    async def happen(self) -> None:
        if self.hang is not None:
            self.hang.reached.set()
            await self.hang.released.wait()
        if self.error is not None:
            raise self.error


class _Call:
    """One call and the faults that hit it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = faults

    async def point(self, *when: When) -> None:
        for fault in self._faults:
            if fault.when in when:
                await fault.happen()

    async def stream(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        first = True
        async for chunk in chunks:
            yield chunk
            if first:
                await self.point("midway")
            first = False


class FaultyDriver(Driver):
    """A driver in front of another: passes all on, keeps `calls`, and meets its `faults`."""

    def __init__(self, driver: Driver, *faults: Fault) -> None:
        self.exclusive_create = driver.exclusive_create
        self.faults = list(faults)
        self.calls: list[tuple[Operation, str]] = []
        self._driver = driver

    def call(self, operation: Operation, *keys: str) -> _Call:
        self.calls.extend((operation, key) for key in keys)
        return _Call([fault for fault in self.faults if fault.hits(operation, keys)])

    async def stat(self, key: str) -> Entry:
        call = self.call("stat", key)
        await call.point("before", "midway")
        entry = await self._driver.stat(key)
        await call.point("after")
        return entry

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        call = self.call("read", key)
        await call.point("before")
        async with aclosing(self._driver.read(key, start, stop)) as chunks:
            async for chunk in call.stream(chunks):
                yield chunk
        await call.point("after")

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        call = self.call("write", key)
        await call.point("before")
        entry = await self._driver.write(key, call.stream(chunks), create=create)
        await call.point("after")
        return entry

    async def delete(self, keys: Sequence[str]) -> None:
        call = self.call("delete", *keys)
        await call.point("before", "midway")
        await self._driver.delete(keys)
        await call.point("after")

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        call = self.call("scan", prefix)
        await call.point("before")
        first = True
        async with aclosing(self._driver.scan(prefix, after=after, delimiter=delimiter)) as entries:
            async for entry in entries:
                yield entry
                if first:
                    await call.point("midway")
                first = False
        await call.point("after")

    async def copy(self, source: str, target: str) -> Entry:
        call = self.call("copy", source)
        await call.point("before", "midway")
        entry = await self._driver.copy(source, target)
        await call.point("after")
        return entry

    async def move(self, source: str, target: str) -> Entry:
        call = self.call("move", source)
        await call.point("before", "midway")
        entry = await self._driver.move(source, target)
        await call.point("after")
        return entry

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        call = self.call("link", key)
        await call.point("before", "midway")
        url = await self._driver.link(key, method, seconds)
        await call.point("after")
        return url

    def local_path(self, key: str) -> str | None:
        return self._driver.local_path(key)

    def upload(self, token: str) -> Upload:
        return _FaultyUpload(self, self._driver.upload(token), token)


class _FaultyUpload(Upload):
    def __init__(self, driver: FaultyDriver, upload: Upload, token: str) -> None:
        self._driver = driver
        self._upload = upload
        self._token = token

    async def size(self) -> int:
        call = self._driver.call("size", self._token)
        await call.point("before", "midway")
        size = await self._upload.size()
        await call.point("after")
        return size

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        call = self._driver.call("append", self._token)
        await call.point("before")
        size = await self._upload.append(call.stream(chunks), offset)
        await call.point("after")
        return size

    async def commit(self, key: str, size: int) -> Entry:
        call = self._driver.call("commit", self._token)
        await call.point("before", "midway")
        entry = await self._upload.commit(key, size)
        await call.point("after")
        return entry

    async def abort(self) -> None:
        call = self._driver.call("abort", self._token)
        await call.point("before", "midway")
        await self._upload.abort()
        await call.point("after")
