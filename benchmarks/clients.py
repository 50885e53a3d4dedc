"""Clients that begin together, each a process of its own, and what the server used for them."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import ForkProcess
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError

from benchmarks import processes
from benchmarks.failures import BenchmarkError

__all__ = ["Client", "Usage", "together"]

Client = Callable[[Callable[[], None]], None]
"""Prepares itself, calls what it is given to wait for the others, then works."""

_PREPARING = 60  # seconds
_fork = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server used while clients worked."""

    wall: float  # seconds, until the last client was done
    cpu: float  # seconds of user and system time
    peak: int  # bytes resident at most


def together(server: int, clients: Sequence[Client]) -> Usage:
    """Run the clients at once against the server of that process id.

    Raises BenchmarkError: if a client failed, with what it said.
    """
    barrier = _fork.Barrier(len(clients) + 1)
    started = [_start(client, barrier) for client in clients]
    try:
        processes.forget_peaks(server)
        before = processes.processor_seconds(server)
        _meet(barrier, started)
        begun = time.monotonic()
        ended = max(_ended(pipe) for _, pipe in started)
        cpu = processes.processor_seconds(server) - before
        return Usage(ended - begun, cpu, processes.peak_memory(server))
    finally:
        for process, _ in started:
            process.kill()
            process.join()


def _start(client: Client, barrier: Barrier) -> tuple[ForkProcess, Pipe]:
    receiver, sender = _fork.Pipe(duplex=False)
    process = _fork.Process(target=_work, args=(client, barrier, sender), daemon=True)
    process.start()
    sender.close()
    return process, receiver


def _work(client: Client, barrier: Barrier, result: Pipe) -> None:
    def ready() -> None:
        barrier.wait(_PREPARING)

    # Whoever interrupts the run speaks to the parent, which ends its clients.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        client(ready)
        result.send(time.monotonic())
    except BrokenBarrierError:
        result.send("another client failed")
    except (BenchmarkError, OSError) as error:
        result.send(f"{type(error).__name__}: {error}")
        barrier.abort()


def _meet(barrier: Barrier, started: Sequence[tuple[ForkProcess, Pipe]]) -> None:
    try:
        barrier.wait(_PREPARING)
    except BrokenBarrierError:
        for _, pipe in started:
            _ended(pipe)
        raise


def _ended(pipe: Pipe) -> float:
    """When a client was done, by the clock that all processes share."""
    try:
        said = pipe.recv()
    except EOFError:
        raise BenchmarkError("a client ended without a word") from None
    if isinstance(said, float):
        return said
    raise BenchmarkError(f"a client failed: {said}")
