"""Sizes of blobs in Redis, where replicas share them. Redis is a hint and may fail at any time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from entrepot.core.configuration.model_services import Redis as Section
from entrepot.core.names import Digest
from entrepot.server.descriptors.connecting import Client, connected

_LOG = logging.getLogger("entrepot.server.redis")
_PREFIX = "entrepot:size:"  # Distribution's keys are left alone: it trusts what is in them
_PROBE = "entrepot:probe"
_SECONDS = 24 * 60 * 60  # that a size is kept
_WAITING = 1000  # sizes to be written; further ones are left out
_LARGEST = 1 << 50  # bytes of a blob that anybody can have
_PATIENCE = 0.05  # seconds that a request waits at most; asking the store takes no longer
_CONNECTING = 5.0  # seconds that nobody waits for: where a master is, connecting, the answer
_SLOW = 3  # answers in a row that came too late until Redis is left alone


@asynccontextmanager
async def open_sizes(section: Section) -> AsyncGenerator[RedisSizes, None]:
    """Sizes in the configured Redis, which need not be up; ends what works for them.

    Raises ConfigurationError: if the section cannot work.
    """
    client = connected(section)
    sizes = RedisSizes(client)
    tasks = [asyncio.create_task(work()) for work in (sizes.write_all, sizes.watch)]
    try:
        yield sizes
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        with suppress(Exception):  # it is no use any more, whatever it says
            await client.aclose()


class RedisSizes:
    """Sizes by digest. After a failure Redis is left alone until it answers again."""

    def __init__(
        self, client: Client, patience: float = _PATIENCE, pauses: tuple[float, float] = (1, 30)
    ) -> None:
        self.errors = 0
        self._client = client
        self._patience = patience
        self._pauses = pauses
        self._usable = False
        self._slow = 0
        self._broken = asyncio.Event()
        self._broken.set()
        self._told: str | None = None
        self._waiting: asyncio.Queue[tuple[str, int | None]] = asyncio.Queue(_WAITING)

    async def get(self, stored: Digest) -> int | None:
        """What somebody wrote; None if that is no size, or Redis does not answer now."""
        if not self._usable:
            return None
        try:
            async with asyncio.timeout(self._patience):
                value: object = await self._client.get(f"{_PREFIX}{stored}")
        except TimeoutError:
            self._late()
            return None
        except Exception as error:
            self._fail(error)
            return None
        self._slow = 0
        return self._parsed(value)

    def put(self, stored: Digest, size: int) -> None:
        self._later(stored, size)

    def drop(self, stored: Digest) -> None:
        self._later(stored, None)

    async def write_all(self) -> None:
        """Write what was put, one after another, for as long as it is not cancelled."""
        while True:
            key, size = await self._waiting.get()
            if not self._usable:
                continue
            try:
                async with asyncio.timeout(_CONNECTING):
                    if size is None:
                        await self._client.delete(key)
                    else:
                        await self._client.set(key, str(size), ex=_SECONDS)
            except Exception as error:
                self._fail(error)

    async def watch(self) -> None:
        """Try again and again while Redis is broken, ever less often, until cancelled."""
        while True:
            await self._broken.wait()
            pause, longest = self._pauses
            while not await self._answers():
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
            self._broken.clear()
            self._usable, self._slow = True, 0
            if self._told is not None:
                _LOG.info("redis is used again")
            self._told = None

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_CONNECTING):
                await self._client.set(_PROBE, "1", ex=_SECONDS)
        except Exception as error:
            self._tell(error)
            return False
        return True

    def _later(self, stored: Digest, size: int | None) -> None:
        if self._usable:
            with suppress(asyncio.QueueFull):
                self._waiting.put_nowait((f"{_PREFIX}{stored}", size))

    def _late(self) -> None:
        self._slow += 1
        if self._slow >= _SLOW:
            self._fail(TimeoutError("it takes too long to answer"))
        else:
            self.errors += 1

    def _fail(self, error: Exception) -> None:
        self.errors += 1
        if str(error).startswith("WRONGTYPE"):  # somebody else's value; Redis itself is well
            return
        self._usable = False
        self._broken.set()
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        """Log the first of failures in a row."""
        if self._told is None:
            self._told = str(error) or type(error).__name__
            _LOG.warning("redis is left alone until it answers: %s", self._told)

    def _parsed(self, value: object) -> int | None:
        if value is None:
            return None
        if isinstance(value, bytes) and value.isdigit() and len(value) < 17:
            size = int(value)
            if size <= _LARGEST:
                return size
        self.errors += 1
        return None
