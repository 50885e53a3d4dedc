"""Several workers: started, watched, started again when they die, and stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

from entrepot.core.configuration import Configuration
from entrepot.core.errors import RegistryError
from entrepot.server.debug import debug_app
from entrepot.server.health.sharing import SHARED_FOLDER
from entrepot.server.servers.choosing import debug_listener
from entrepot.server.servers.here import PAGES_DRAIN, run, started, stop_signals
from entrepot.server.servers.material import Material
from entrepot.server.servers.sockets import Sockets
from entrepot.server.servers.watching import Renewal
from entrepot.server.servers.worker import PROGRAM, READY, Order

_LOG = logging.getLogger("entrepot.server")
_GRACE = 5.0  # seconds that a worker has beyond the time to drain
_HEALTHY = 60.0  # seconds after which an end is no longer one of a series
_LONGEST_WAIT = 30.0  # seconds between two starts


class StartError(RegistryError):
    """What kept workers from serving."""


def serve_by_workers(
    configuration: Configuration,
    sockets: Sockets,
    material: Material | None,
    debug: socket.socket | None,
    ready: Callable[[], None],
) -> None:
    """Serve by `http.workers` processes until a signal says to stop.

    A worker that dies is started again, at once, and after a while if it does so repeatedly.
    This process serves the debug pages.

    Raises StartError: if one of them cannot serve at the beginning.
    """
    with tempfile.TemporaryDirectory(prefix="entrepot-", ignore_cleanup_errors=True) as folder:
        if debug is not None:
            os.environ[SHARED_FOLDER] = folder  # workers write there what the pages show
        run(_Workers(configuration, sockets, material).run(debug, ready))


class _Workers:
    """All of them, and what they have in common."""

    def __init__(
        self, configuration: Configuration, sockets: Sockets, material: Material | None
    ) -> None:
        self._configuration = configuration
        self._sockets = sockets
        self._material = material
        self._renewal: Renewal | None = None
        self._each = [
            _Worker(number, sockets, self._order) for number in range(configuration.http.workers)
        ]

    def _order(self, listening: int, answers: int) -> Order:
        return Order(self._configuration, self._material, listening, answers)

    async def run(self, debug: socket.socket | None, ready: Callable[[], None]) -> None:
        told = stop_signals()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up)
        try:
            async with AsyncExitStack() as stack:
                if debug is not None:
                    pages = debug_listener(debug_app(self._configuration), debug)
                    await stack.enter_async_context(started(pages, PAGES_DRAIN))
                await self._work(told, ready)
                self._sockets.close()
                await self._stop(self._configuration.http.draintimeout.seconds + _GRACE)
        finally:
            await self._stop(0)

    async def _work(self, told: asyncio.Event, ready: Callable[[], None]) -> None:
        """Returns once `told`."""
        starting = asyncio.gather(*(worker.start() for worker in self._each))
        tasks: list[asyncio.Future[Any]] = [asyncio.create_task(told.wait()), starting]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not told.is_set():
                _check(starting.result())
                ready()
                tasks += [asyncio.create_task(worker.keep()) for worker in self._each]
                tasks += [asyncio.create_task(self._renew())] if self._material else []
                await told.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _renew(self) -> None:
        """Read new certificates, for workers that are started later; those at work do as much."""
        assert self._material is not None
        tls = self._configuration.http.tls
        self._renewal = Renewal(tls, self._material, self._replace)
        await self._renewal.run()

    async def _replace(self, material: Material) -> None:
        self._material = material

    def _hang_up(self) -> None:
        if self._renewal is not None:
            self._renewal.ask()
        for worker in self._each:
            worker.hang_up()

    async def _stop(self, seconds: float) -> None:
        """Ask all to stop, and end those that have not after so long."""
        for worker in self._each:
            worker.signal(signal.SIGTERM)
        ending = [asyncio.create_task(worker.wait()) for worker in self._each]
        _, late = await asyncio.wait(ending, timeout=seconds)
        if late:
            for worker in self._each:
                worker.signal(signal.SIGKILL)
            await asyncio.wait(late)


def _check(answers: Sequence[bytes]) -> None:
    for answer in answers:
        if answer != READY:
            raise StartError(answer.decode(errors="replace") or "a worker died at its start")


class _Worker:
    """One of them: a process, and others in its place when it dies."""

    def __init__(self, number: int, sockets: Sockets, order: Callable[[int, int], Order]) -> None:
        self._number = number
        self._sockets = sockets
        self._order = order
        self._process: Process | None = None
        self._is_ready = False

    async def start(self) -> bytes:
        """Start a process; returns its answer, which is empty if it died before it gave one."""
        self._is_ready = False
        reading, writing = os.pipe()
        listening = self._sockets.of(self._number).fileno()
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", PROGRAM),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(listening, writing),
            )
        finally:
            os.close(writing)
        assert process.stdin is not None
        with suppress(ConnectionError):
            process.stdin.write(self._order(listening, writing).written())
            await process.stdin.drain()
        answer = await _content(reading)
        self._is_ready = answer == READY
        return answer

    async def keep(self) -> None:
        """Start another process whenever one ends; returns when cancelled."""
        loop = asyncio.get_running_loop()
        series = 0
        while True:
            began = loop.time()
            await self.wait()
            series = series + 1 if loop.time() - began < _HEALTHY else 1
            wait = 0.0 if series == 1 else min(2.0 ** (series - 2), _LONGEST_WAIT)
            told = (self._number + 1, self._end(), wait)
            _LOG.error("worker %d %s; another one is started in %g s", *told)
            if wait:
                self._sockets.withdraw(self._number)
                await asyncio.sleep(wait)
            await self._start_again()

    async def _start_again(self) -> None:
        try:
            self._sockets.offer(self._number)
            answer = await self.start()
        except OSError as error:
            answer = str(error).encode()
        if answer == READY:
            _LOG.warning("worker %d serves again", self._number + 1)
        elif answer:
            text = answer.decode(errors="replace")
            _LOG.error("worker %d cannot start: %s", self._number + 1, text)

    def _end(self) -> str:
        assert self._process is not None
        code = self._process.returncode
        if code is not None and code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with status {code}"

    def hang_up(self) -> None:
        """Have it read certificates; one that is about to start reads them anyway."""
        if self._is_ready:
            self.signal(signal.SIGHUP)

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def wait(self) -> None:
        """Return when its process has ended."""
        if self._process is not None:
            await self._process.wait()


async def _content(descriptor: int) -> bytes:
    """All that comes until the other side closes it."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    try:
        return await reader.read()
    finally:
        transport.close()
