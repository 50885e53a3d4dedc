"""The driver around every driver: keys checked, errors stamped, operations counted.

So that drivers hold backend code only, and no key reaches a store unless it is one.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from time import perf_counter
from types import TracebackType
from typing import Literal, TypeVar

from entrepot.core.costs import CallObserver, DriverCall, Operation, Statistics
from entrepot.core.driver import Driver, Entry, Prefix, Upload
from entrepot.core.errors import DeleteError, KeyInvalidError, StorageError, UnavailableError

ItemT = TypeVar("ItemT", Entry, Entry | Prefix)

_CHARACTERS = "-./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"  # sorted
_NAME = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]{1,255}"
_KEY = re.compile(rf"{_NAME}(?:/{_NAME})*", re.ASCII)
_BEGINNING = re.compile(rf"(?:{_NAME}/)*[A-Za-z0-9._-]{{0,255}}", re.ASCII)
_COMPARABLE = re.compile(r"[A-Za-z0-9._/-]*", re.ASCII)
_LONGEST = 1024  # bytes of a key; one of its names has 255 at most
_SHOWN = 100  # bytes of a bad key that an error repeats


def check_key(key: str) -> None:
    """Raises KeyInvalidError: if no store is to be asked about this key."""
    if len(key) > _LONGEST or _KEY.fullmatch(key) is None:
        raise KeyInvalidError(key[:_SHOWN], "invalid key")


def check_prefix(prefix: str) -> None:
    """Raises KeyInvalidError: if no valid key begins with this text."""
    if len(prefix) > _LONGEST or _BEGINNING.fullmatch(prefix) is None:
        raise KeyInvalidError(prefix[:_SHOWN], "no key begins like this")


def comparable(after: str) -> str:
    """Text of a key's characters and length that all valid keys compare to as to `after`.

    Clients choose where a listing goes on, and no store is to see what they make up.
    """
    valid = _COMPARABLE.match(after)
    assert valid is not None  # nothing at all matches
    end = valid.end()
    if end < len(after):
        less = [character for character in _CHARACTERS if character < after[end]]
        # everything that goes on with a lesser character is before; a name has 255 at most
        after = after[:end] + (less[-1] + 255 * _CHARACTERS[-1] if less else "")
    return after[:_LONGEST]


class GuardedDriver(Driver):
    """Any driver, with what holds for all of them done once; `name` is put into its errors.

    An error of the caller's chunks comes out as it went in. Any other error that is no
    `StorageError` becomes an UnavailableError, because a driver must not raise it. `observer`
    is told of every call when it has ended.
    """

    def __init__(
        self, driver: Driver, name: str = "", observer: CallObserver | None = None
    ) -> None:
        self.driver = driver
        self.name = name or type(driver).__name__
        self.observer = observer
        self.statistics = Statistics()
        self.exclusive_create = driver.exclusive_create
        self.collectable = driver.collectable

    async def stat(self, key: str) -> Entry:
        check_key(key)
        with _Watch(self, self.statistics.stat, key):
            return await self.driver.stat(key)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        check_key(key)
        start = max(start, 0)
        if stop is not None and stop <= start:
            return
        operation = self.statistics.read
        watch = _Watch(self, operation, key, in_steps=True)
        with watch:
            chunks = self.driver.read(key, start, stop)
        try:
            while True:
                with watch.again():
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                operation.bytes += len(chunk)
                watch.bytes += len(chunk)
                yield chunk
        finally:
            with watch.again():
                await chunks.aclose()
            watch.end()

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        check_key(key)
        operation = self.statistics.write
        passing = _Passing(chunks, operation)
        with _Watch(self, operation, key, passing=passing):
            return await self.driver.write(key, passing, create=create)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            check_key(key)
        if keys:
            with _Watch(self, self.statistics.delete, keys[0]):
                await self.driver.delete(keys)

    def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        if delimiter not in {"", "/"}:
            raise KeyInvalidError(prefix, f"the only delimiter is '/', not {delimiter[:_SHOWN]!r}")
        past = comparable(after)
        return self._listed(
            prefix, lambda: self.driver.scan(prefix, after=past, delimiter=delimiter)
        )

    def sift(self, prefix: str, wanted: Callable[[str], bool | str]) -> AsyncGenerator[Entry, None]:
        return self._listed(prefix, lambda: self.driver.sift(prefix, wanted))

    async def _listed(
        self, prefix: str, begin: Callable[[], AsyncGenerator[ItemT, None]]
    ) -> AsyncGenerator[ItemT, None]:
        check_prefix(prefix)
        watch = _Watch(self, self.statistics.scan, prefix, in_steps=True)
        with watch:
            items = begin()
        try:
            while True:
                with watch.again():
                    item = await anext(items, None)
                if item is None:
                    return
                yield item
        finally:
            with watch.again():
                await items.aclose()
            watch.end()

    async def copy(self, source: str, target: str) -> Entry:
        check_key(source)
        check_key(target)
        with _Watch(self, self.statistics.copy, source):
            return await self.driver.copy(source, target)

    async def move(self, source: str, target: str) -> Entry:
        check_key(source)
        check_key(target)
        with _Watch(self, self.statistics.move, source):
            return await self.driver.move(source, target)

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        check_key(key)
        with _Watch(self, self.statistics.link, key):
            return await self.driver.link(key, method, seconds)

    def local_path(self, key: str) -> str | None:
        check_key(key)
        return self.driver.local_path(key)

    def upload(self, token: str) -> Upload:
        check_key(token)
        return _GuardedUpload(self, self.driver.upload(token), token)


class _GuardedUpload(Upload):
    def __init__(self, guard: GuardedDriver, upload: Upload, token: str) -> None:
        self._guard = guard
        self._statistics = guard.statistics
        self._upload = upload
        self._token = token

    async def size(self) -> int:
        with _Watch(self._guard, self._statistics.size, self._token):
            return await self._upload.size()

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        operation = self._statistics.append
        passing = _Passing(chunks, operation)
        with _Watch(self._guard, operation, self._token, passing=passing):
            return await self._upload.append(passing, offset)

    async def commit(self, key: str, size: int) -> Entry:
        check_key(key)
        with _Watch(self._guard, self._statistics.commit, self._token):
            return await self._upload.commit(key, size)

    async def abort(self) -> None:
        with _Watch(self._guard, self._statistics.abort, self._token):
            await self._upload.abort()


class _Passing:
    """The caller's chunks on their way into a driver: counted, their error and time kept apart."""

    __slots__ = ("_chunks", "_operation", "bytes", "error", "seconds")

    def __init__(self, chunks: AsyncIterator[bytes], operation: Operation) -> None:
        self._chunks = chunks
        self._operation = operation
        self.error: Exception | None = None
        self.seconds = 0.0
        self.bytes = 0

    def __aiter__(self) -> _Passing:
        return self

    async def __anext__(self) -> bytes:
        began = perf_counter()
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except Exception as error:
            self.error = error
            raise
        finally:
            self.seconds += perf_counter() - began
        size = len(chunk)
        self._operation.bytes += size
        self.bytes += size
        return chunk


class _Watch:
    """Measures one call of the driver, and sees to it that its error is a storage error.

    A class, because it is entered for every request and a generator costs thrice as much.
    """

    __slots__ = (
        "_began",
        "_failed",
        "_guard",
        "_in_steps",
        "_key",
        "_operation",
        "_passing",
        "_seconds",
        "_step",
        "bytes",
    )

    def __init__(
        self,
        guard: GuardedDriver,
        operation: Operation,
        key: str,
        *,
        passing: _Passing | None = None,
        in_steps: bool = False,
    ) -> None:
        self._guard = guard
        self._operation = operation
        self._key = key
        self._passing = passing
        self._in_steps = in_steps
        self._failed = False
        self._seconds = 0.0
        self.bytes = 0
        operation.calls += 1
        self._began = self._step = perf_counter()

    def again(self) -> _Watch:
        """For the next step of the same call."""
        self._step = perf_counter()
        return self

    def end(self) -> None:
        """There is no further step."""
        if self._guard.observer is not None and not self._failed:
            self._tell(self._guard.observer, perf_counter(), None)

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        now = perf_counter()
        spent = now - self._step
        passing = self._passing
        if passing is not None:
            spent -= passing.seconds
        self._operation.seconds += spent
        self._seconds += spent
        if error is not None:
            self._failed = True
        if self._guard.observer is not None and (error is not None or not self._in_steps):
            self._tell(self._guard.observer, now, error)
        if passing is not None and passing.error is not None:
            self._give_back(passing.error, error)
        elif isinstance(error, Exception):
            self._operation.failures += 1
            self._explain(error)

    def _tell(self, observer: CallObserver, now: float, error: BaseException | None) -> None:
        passing = self._passing
        is_callers = passing is not None and passing.error is not None
        if passing is not None:
            self.bytes = passing.bytes
            error = passing.error or error
        observer(
            DriverCall(
                self._guard.name,
                self._operation.name,
                self._key,
                self._began,
                now,
                self._seconds,
                self.bytes,
                error,
                is_callers,
            )
        )

    def _give_back(self, own: Exception, error: BaseException | None) -> None:
        """Let the chunks' error be what comes out, also where the driver made another of it."""
        self._operation.failures += 1
        if error is None or (error is not own and isinstance(error, Exception)):
            raise own

    def _explain(self, error: Exception) -> None:
        if isinstance(error, StorageError):
            _stamp(error, self._guard.name)
            return
        reason = f"the driver failed with {type(error).__name__}"
        unavailable = UnavailableError(self._key, reason)
        unavailable.driver = self._guard.name
        raise unavailable from error


def _stamp(error: StorageError, name: str) -> None:
    error.driver = error.driver or name
    if isinstance(error, DeleteError):
        for failure in error.failures.values():
            failure.driver = failure.driver or name
