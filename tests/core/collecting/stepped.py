"""Processes whose operations on a store happen one by one, when a test lets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing, suppress
from typing import Any

from tests.core.collecting.clocked import ClockedDriver

from entrepot.core.driver import Entry, Prefix
from entrepot.core.errors import ProtocolError, StorageError, UnavailableError
from entrepot.core.registry import Registry
from entrepot.core.testing import FaultyDriver
from entrepot.core.testing.faults import Fault, Operation, When


class DiedError(BaseException):
    """The process is gone."""


class Stepped(FaultyDriver):
    """A driver whose operations each wait until they are let, and end with their process."""

    def __init__(self, driver: ClockedDriver) -> None:
        super().__init__(driver)
        self.is_dead = False
        self.is_free = False
        self.waiting = 0
        self._turns = asyncio.Semaphore(0)

    async def turn(self) -> None:
        if not self.is_free:
            self.waiting += 1
            try:
                await self._turns.acquire()
            finally:
                self.waiting -= 1
        if self.is_dead:
            raise DiedError

    def let(self) -> None:
        self._turns.release()

    def fail(self, operation: Operation, when: When) -> None:
        """Let the next operation fail, before it does anything or after it did all."""
        error = UnavailableError("", "as it was told to")
        self.faults = [Fault(operation, error, when=when)]

    def free(self) -> None:
        """Let everything happen from now on."""
        self.is_free = True
        for _ in range(self.waiting):
            self._turns.release()

    async def stat(self, key: str) -> Entry:
        await self.turn()
        return await super().stat(key)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        await self.turn()
        async with aclosing(super().read(key, start, stop)) as content:
            async for chunk in content:
                yield chunk

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        await self.turn()
        return await super().write(key, chunks, create=create)

    async def delete(self, keys: Sequence[str]) -> None:
        await self.turn()
        await super().delete(keys)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        await self.turn()
        async with aclosing(super().scan(prefix, after=after, delimiter=delimiter)) as entries:
            async for entry in entries:
                yield entry

    def call(self, operation: Operation, *names: str) -> Any:
        self.calls.clear()
        return super().call(operation, *names)


class Process:
    """A replica or a collector, that does one thing at a time."""

    def __init__(self, driver: Stepped) -> None:
        self.driver = driver
        self.registry: Registry | None = None
        self.task: asyncio.Task[Any] | None = None

    @property
    def is_busy(self) -> bool:
        return self.task is not None and not self.task.done()

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        self.task = asyncio.ensure_future(work)

    async def go(self, steps: int) -> None:
        for _ in range(steps):
            await self._settle()
            if not self.is_busy:
                return
            self.driver.let()
        await self._settle()

    async def die(self) -> None:
        self.driver.is_dead = True
        self.driver.free()
        if self.task is not None:
            with suppress(DiedError, ProtocolError, StorageError):
                await self.task

    async def end(self) -> None:
        """Let it finish."""
        self.driver.free()
        if self.task is not None:
            await asyncio.wait([self.task])
            self.check()

    def check(self) -> None:
        """What is done was ended by nothing but what the store was told to fail with."""
        failure = self.task.exception() if self.task is not None else None
        expected = isinstance(failure, StorageError) and self.driver.faults
        assert failure is None or expected, repr(failure)

    async def _settle(self) -> None:
        for turn in range(10_000):
            if not self.is_busy or (self.driver.waiting and turn > 5):
                return
            await asyncio.sleep(0)
