"""Pulls of tags, recorded for the rules that keep what is pulled; never on a pull's way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from entrepot.core.driver import Driver
from entrepot.core.errors import StorageError
from entrepot.core.events import Event
from entrepot.core.names import RepositoryName, Tag
from entrepot.core.pulls import DAY, keep_recording, record
from entrepot.core.read_only import Switch
from entrepot.server.scheduling import beside

_LOG = logging.getLogger("entrepot.retention")
_REMEMBERED = 20_000  # tags; one that is forgotten costs a request when it is pulled again
_WAITING = 1000  # tags; what is more is recorded when it is pulled again
_AGAIN = DAY / 8  # seconds between two signs that pulls are recorded
_RETRY = 60.0  # seconds, where the store takes none

_Pull: TypeAlias = tuple[RepositoryName, Tag]


class Recorder:
    """An observer that keeps which tags were pulled, and writes it down beside serving."""

    def __init__(self, driver: Driver, clock: Callable[[], float] = time.time) -> None:
        self._driver = driver
        self._clock = clock
        self._switch = Switch(driver)
        self._noted: OrderedDict[_Pull, float] = OrderedDict()
        self._waiting: asyncio.Queue[_Pull] = asyncio.Queue(_WAITING)
        self._next = -float("inf")  # when to sign again

    async def observe(self, event: Event) -> None:
        """Takes no time: nothing is asked of the store here."""
        if event.action != "pull" or not event.target.tag:
            return
        pull = RepositoryName(event.target.repository), Tag(event.target.tag)
        now = self._clock()
        if now - self._noted.get(pull, 0.0) < DAY or self._waiting.full():
            return
        self._noted[pull] = now
        self._noted.move_to_end(pull)
        if len(self._noted) > _REMEMBERED:
            self._noted.popitem(last=False)
        self._waiting.put_nowait(pull)

    async def write(self) -> None:
        """Write down what was noted, until cancelled."""
        while True:
            await self._sign()
            try:
                async with asyncio.timeout(_RETRY):
                    pull = await self._waiting.get()
            except TimeoutError:
                continue
            try:
                if await self._switch.find() is None:
                    await record(self._driver, *pull, self._clock())
            except StorageError as error:
                _LOG.debug("a pull was not recorded: %s", error)
                self._noted.pop(pull, None)

    async def _sign(self) -> None:
        """Say on the store, now and then, that pulls are recorded."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _RETRY
        try:
            if await self._switch.find() is None:
                await keep_recording(self._driver, now)
                self._next = now + _AGAIN
        except StorageError as error:
            _LOG.warning("pulls are not recorded: %s", error)


@asynccontextmanager
async def recording(driver: Driver) -> AsyncGenerator[Recorder, None]:
    """Records the pulls that the recorder is told of, until left."""
    recorder = Recorder(driver)
    async with beside(recorder.write()):
        yield recorder
