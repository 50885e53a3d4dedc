"""How fast a driver is where it stands: small objects, streams, uploads and listings, timed."""

from __future__ import annotations

import asyncio
import math
import random
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

from entrepot.core.concurrency import each
from entrepot.core.driver import Driver, Entry, Prefix
from entrepot.core.errors import StorageError, UnavailableError
from entrepot.core.streams import drain, once

_MIB = 1024 * 1024
_MOST = 20_000  # operations of one measurement: what a fast driver piles up has to be removed
_GIVE_UP = 10  # errors after which a measurement ends; the rest would fail, too
_REMOVED = 1000  # keys of one removal
_CLEANING = 300.0  # seconds that the removal of all objects may take

_Step = Callable[[int], Awaitable[int]]
"""One operation, the how manieth it is as its argument; gives the bytes of content it moved."""

FOLDER = "_entrepot_measuring"
"""Where objects are written, each run in a folder of its own below it; no layout names it."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What one kind of operation cost. An operation of a `scan` is one key."""

    operation: str  # "write", "stat", "read", "create", "delete", "stream write", "upload", …
    size: int  # bytes of each object
    concurrency: int  # operations under way at a time
    operations: int  # that succeeded
    errors: int
    bytes: int  # of content that was moved
    seconds: float  # from the first operation's begin to the last one's end
    cpu_seconds: float  # that this process used meanwhile, all of its threads together
    p50: float  # seconds of an operation that succeeded; NaN if none did
    p99: float
    first_error: str  # empty if there was none

    @property
    def per_second(self) -> float:
        return self.operations / self.seconds if self.seconds else 0.0

    @property
    def mib_per_second(self) -> float:
        return self.bytes / _MIB / self.seconds if self.seconds else 0.0

    @property
    def cpu_seconds_per_operation(self) -> float:
        return self.cpu_seconds / self.operations if self.operations else math.nan


async def measure(
    driver: Driver,
    *,
    seconds: float = 3.0,
    sizes: Sequence[int] = (1024,),
    concurrencies: Sequence[int] = (1, 16),
    stream: int = 64 * _MIB,
    part: int = 8 * _MIB,
    keys: int = 1000,
    patience: float = 60.0,
    told: Callable[[Measure], None] | None = None,
) -> list[Measure]:
    """Measure a driver for about `seconds` with each kind of operation.

    Small objects of every one of `sizes` bytes are written, asked for, read, created and
    deleted at every one of `concurrencies`; a stream of `stream` bytes is written and read;
    as much is uploaded in appends of `part` bytes; `keys` objects are listed. `stream` or
    `keys` of 0 leave that out. `told` is called with each result as it comes.

    An operation that fails or takes longer than `patience` seconds counts as an error and
    stops nothing. All that was written is removed at the end, also on cancellation; nothing
    else on the store is touched. Raises StorageError: if it cannot be removed.
    """
    folder = f"{FOLDER}/{uuid.uuid4()}/"
    bench = _Bench(driver, folder, seconds, patience, told)
    try:
        for size in sizes:
            for concurrency in concurrencies:
                await bench.small_objects(size, concurrency)
        if stream:
            await bench.streams(stream, part)
        if keys:
            await bench.listing(keys)
    finally:
        async with asyncio.timeout(_CLEANING):
            await bench.clean()
    return bench.results


class _Bench:
    def __init__(
        self,
        driver: Driver,
        folder: str,
        seconds: float,
        patience: float,
        told: Callable[[Measure], None] | None,
    ) -> None:
        self.results: list[Measure] = []
        self._driver = driver
        self._folder = folder
        self._seconds = seconds
        self._patience = patience
        self._told = told

    async def small_objects(self, size: int, concurrency: int) -> None:
        folder = f"{self._folder}{size}/{concurrency}/"
        block = _block(size)

        async def write(number: int) -> int:
            await self._driver.write(f"{folder}w/{number}", once(block))
            return size

        async def stat(number: int) -> int:
            await self._driver.stat(f"{folder}w/{number % written}")
            return 0

        async def read(number: int) -> int:
            return await self._read(f"{folder}w/{number % written}")

        async def create(number: int) -> int:
            await self._driver.write(f"{folder}c/{number}", once(block), create=True)
            return size

        async def delete(number: int) -> int:
            await self._driver.delete([f"{folder}w/{number}"])
            return 0

        written = await self._repeat("write", size, concurrency, write)
        if written:
            await self._repeat("stat", size, concurrency, stat)
            await self._repeat("read", size, concurrency, read)
        await self._repeat("create", size, concurrency, create)
        if written:
            await self._repeat("delete", size, concurrency, delete, most=written)

    async def streams(self, size: int, part: int) -> None:
        key, token = f"{self._folder}stream", f"{self._folder}upload"

        async def write(_: int) -> int:
            await self._driver.write(key, _stream(size))
            return size

        async def read(_: int) -> int:
            return await self._read(key)

        async def upload(number: int) -> int:
            growing = self._driver.upload(f"{token}/{number}")
            try:
                for at in range(0, size, part):
                    await growing.append(_stream(min(part, size - at)), at)
                await growing.commit(f"{self._folder}uploaded", size)
            except BaseException:
                with suppress(StorageError):
                    await growing.abort()
                raise
            return size

        if await self._repeat("stream write", size, 1, write):
            await self._repeat("stream read", size, 1, read)
        await self._repeat("upload", size, 1, upload)

    async def listing(self, count: int) -> None:
        folder = f"{self._folder}keys/"
        with suppress(StorageError):  # then fewer are listed
            await each(
                lambda number: self._driver.write(f"{folder}{number:08d}", once(b"x")),
                range(count),
            )
        phase = _Phase(self._seconds, self._patience)
        await self._run("scan", 1, phase, [phase.list(lambda: self._driver.scan(folder))])

    async def clean(self) -> None:
        """Remove all of this run page by page, so that memory does not grow with it."""
        while True:
            page: list[str] = []
            async with aclosing(self._driver.scan(self._folder)) as entries:
                async for entry in entries:
                    page.append(entry.key)
                    if len(page) == _REMOVED:
                        break
            if not page:
                return
            await self._driver.delete(page)

    async def _read(self, key: str) -> int:
        async with aclosing(self._driver.read(key)) as chunks:
            return await drain(chunks)

    async def _repeat(
        self, operation: str, size: int, concurrency: int, step: _Step, *, most: int = _MOST
    ) -> int:
        """Take steps 0, 1, 2 … until time or steps are over; gives how many were begun."""
        phase = _Phase(self._seconds, self._patience, most)
        await self._run(operation, size, phase, [phase.repeat(step) for _ in range(concurrency)])
        return phase.begun if phase.latencies else 0

    async def _run(
        self, operation: str, size: int, phase: _Phase, work: Sequence[Coroutine[None, None, None]]
    ) -> None:
        cpu, began = time.process_time(), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for task in work:
                group.create_task(task)
        ended, cpu = time.perf_counter(), time.process_time() - cpu
        result = phase.measure(operation, size, len(work), ended - began, cpu)
        self.results.append(result)
        if self._told is not None:
            self._told(result)


class _Phase:
    """The same operation again and again, by any number of tasks."""

    def __init__(self, seconds: float, patience: float, most: int = _MOST) -> None:
        self.begun = 0
        self.latencies: list[float] = []
        self._patience = patience
        self._most = most
        self._end = time.perf_counter() + seconds
        self._moved = 0
        self._errors = 0
        self._first_error = ""

    async def repeat(self, step: _Step) -> None:
        while self._goes_on():
            number = self.begun
            self.begun += 1
            began = time.perf_counter()
            try:
                async with asyncio.timeout(self._patience):
                    self._moved += await step(number)
            except Exception as error:
                self._failed(error)
            else:
                self.latencies.append(time.perf_counter() - began)

    async def list(self, scan: Callable[[], AsyncGenerator[Entry | Prefix, None]]) -> None:
        """Listings from their beginning, timed from key to key."""
        while self._goes_on():
            listed = len(self.latencies)
            try:
                async with asyncio.timeout(self._patience), aclosing(scan()) as entries:
                    began = time.perf_counter()
                    async for _ in entries:
                        ended = time.perf_counter()
                        self.latencies.append(ended - began)
                        began = ended
                if listed == len(self.latencies):
                    raise UnavailableError("", "what was written is not listed")
            except Exception as error:
                self._failed(error)
            self.begun += max(len(self.latencies) - listed, 1)

    def _failed(self, error: Exception) -> None:
        self._errors += 1
        self._first_error = self._first_error or _described(error)

    def _goes_on(self) -> bool:
        if self.begun == 0:
            return True  # however short the time, something is measured
        late = time.perf_counter() >= self._end
        return not late and self.begun < self._most and self._errors < _GIVE_UP

    def measure(
        self, operation: str, size: int, concurrency: int, seconds: float, cpu: float
    ) -> Measure:
        ordered = sorted(self.latencies)
        return Measure(
            operation=operation,
            size=size,
            concurrency=concurrency,
            operations=len(ordered),
            errors=self._errors,
            bytes=self._moved,
            seconds=seconds,
            cpu_seconds=cpu,
            p50=_quantile(ordered, 0.5),
            p99=_quantile(ordered, 0.99),
            first_error=self._first_error,
        )


def _quantile(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return math.nan
    return ordered[math.ceil(share * len(ordered)) - 1]


def _described(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "took longer than the patience of the measurement"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _block(size: int) -> bytes:
    """Bytes that do not compress; equal for equal sizes."""
    return random.Random(size).randbytes(size)  # noqa: S311 - no secret


async def _stream(size: int) -> AsyncGenerator[bytes, None]:
    block = _block(min(size, _MIB))
    for at in range(0, size, _MIB):
        yield block[: size - at]
