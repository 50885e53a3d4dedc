"""The driver around every driver: keys checked, errors stamped, operations counted.

So that drivers hold backend code only, and no key reaches a store unless it is one.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType
from typing import Literal

from entrepot.core.driver import Driver, Entry, Prefix, Upload
from entrepot.core.errors import KeyInvalidError, RegistryError, StorageError, UnavailableError

_NAME = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]{1,255}"
_KEY = re.compile(rf"{_NAME}(?:/{_NAME})*", re.ASCII)
_PARTIAL = re.compile(r"[A-Za-z0-9._/-]*", re.ASCII)
_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")
_LONGEST = 1024  # bytes of a key


@dataclass(slots=True)
class Operation:
    """What one kind of operation has cost since the driver was opened."""

    calls: int = 0
    failures: int = 0
    seconds: float = 0.0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """Costs by operation; `read` counts what was sent on, `write` and `append` what came."""

    stat: Operation = field(default_factory=Operation)
    read: Operation = field(default_factory=Operation)
    write: Operation = field(default_factory=Operation)
    delete: Operation = field(default_factory=Operation)
    scan: Operation = field(default_factory=Operation)
    copy: Operation = field(default_factory=Operation)
    move: Operation = field(default_factory=Operation)
    link: Operation = field(default_factory=Operation)
    append: Operation = field(default_factory=Operation)
    commit: Operation = field(default_factory=Operation)


class _Passing:
    """The caller's chunks on their way into a driver: counted, their errors kept apart."""

    def __init__(self, chunks: AsyncIterator[bytes], operation: Operation) -> None:
        self._chunks = chunks
        self._operation = operation
        self.error: Exception | None = None

    def __aiter__(self) -> _Passing:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except Exception as error:
            self.error = error
            raise
        self._operation.bytes += len(chunk)
        return chunk


def check_key(key: str) -> None:
    """Raises KeyInvalidError: if no store is to be asked about this key."""
    if len(key) > _LONGEST or not _KEY.fullmatch(key):
        raise KeyInvalidError(key[:100], "invalid key")


def check_prefix(prefix: str) -> None:
    """Raises KeyInvalidError: if no valid key can begin with this text."""
    valid = _PARTIAL.fullmatch(prefix) and not prefix.startswith("/") and "//" not in prefix
    if not valid or len(prefix) > _LONGEST or _DOTS.search(prefix.rpartition("/")[0]):
        raise KeyInvalidError(prefix[:100], "invalid prefix")


class GuardedDriver(Driver):
    """Any driver, with what holds for all of them done once; `name` is put into its errors.

    An error of the caller's chunks comes out as it went in. Any other error that is no
    `StorageError` becomes an UnavailableError, because a driver must not raise it.
    """

    def __init__(self, driver: Driver, name: str = "") -> None:
        self.driver = driver
        self.name = name or type(driver).__name__
        self.statistics = Statistics()

    @property
    def exclusive_create(self) -> bool:  # type: ignore[override]  # the driver's own
        return self.driver.exclusive_create

    async def stat(self, key: str) -> Entry:
        check_key(key)
        with self._watched(self.statistics.stat, key):
            return await self.driver.stat(key)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        check_key(key)
        if stop is not None and stop <= start:
            return
        operation = self.statistics.read
        async with aclosing(self.driver.read(key, start, stop)) as chunks:
            while True:
                with self._watched(operation, key):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                operation.bytes += len(chunk)
                yield chunk

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        check_key(key)
        passing = _Passing(chunks, self.statistics.write)
        with self._watched(self.statistics.write, key, passing):
            return await self.driver.write(key, passing, create=create)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            check_key(key)
        if keys:
            with self._watched(self.statistics.delete, keys[0]):
                await self.driver.delete(keys)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        check_prefix(prefix)
        if delimiter not in {"", "/"}:
            raise KeyInvalidError(prefix, "the only delimiter is /")
        found = self.driver.scan(prefix, after=after, delimiter=delimiter)
        async with aclosing(found) as items:
            while True:
                with self._watched(self.statistics.scan, prefix):
                    item = await anext(items, None)
                if item is None:
                    return
                yield item

    async def copy(self, source: str, target: str) -> Entry:
        check_key(source)
        check_key(target)
        with self._watched(self.statistics.copy, source):
            return await self.driver.copy(source, target)

    async def move(self, source: str, target: str) -> Entry:
        check_key(source)
        check_key(target)
        with self._watched(self.statistics.move, source):
            return await self.driver.move(source, target)

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        check_key(key)
        with self._watched(self.statistics.link, key):
            return await self.driver.link(key, method, seconds)

    def local_path(self, key: str) -> str | None:
        check_key(key)
        return self.driver.local_path(key)

    def upload(self, token: str) -> Upload:
        check_key(token)
        return _GuardedUpload(self, self.driver.upload(token), token)

    def _watched(self, operation: Operation, key: str, passing: _Passing | None = None) -> _Watch:
        return _Watch(self.name, operation, key, passing)


class _Watch:
    """Counts one call of the driver, and sees to it that its error is a storage error.

    A class, because it is entered for every request and a generator costs thrice as much.
    """

    __slots__ = ("_began", "_key", "_name", "_operation", "_passing")

    def __init__(self, name: str, operation: Operation, key: str, passing: _Passing | None) -> None:
        self._name = name
        self._operation = operation
        self._key = key
        self._passing = passing
        self._began = perf_counter()

    def __enter__(self) -> None:
        self._operation.calls += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._operation.seconds += perf_counter() - self._began
        if isinstance(error, Exception):
            self._operation.failures += 1
            self._explain(error)

    def _explain(self, error: Exception) -> None:
        if self._passing is not None and self._passing.error is not None:
            raise self._passing.error from None
        if isinstance(error, StorageError):
            error.driver = error.driver or self._name
        elif not isinstance(error, RegistryError):
            reason = f"the driver failed with {type(error).__name__}"
            unavailable = UnavailableError(self._key, reason)
            unavailable.driver = self._name
            raise unavailable from error


class _GuardedUpload(Upload):
    def __init__(self, guard: GuardedDriver, upload: Upload, token: str) -> None:
        self._guard = guard
        self._upload = upload
        self._token = token

    async def size(self) -> int:
        with self._guard._watched(self._guard.statistics.stat, self._token):
            return await self._upload.size()

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        operation = self._guard.statistics.append
        passing = _Passing(chunks, operation)
        with self._guard._watched(operation, self._token, passing):
            return await self._upload.append(passing, offset)

    async def commit(self, key: str, size: int) -> Entry:
        check_key(key)
        with self._guard._watched(self._guard.statistics.commit, self._token):
            return await self._upload.commit(key, size)

    async def abort(self) -> None:
        with self._guard._watched(self._guard.statistics.delete, self._token):
            await self._upload.abort()
