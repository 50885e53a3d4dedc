"""One of several workers: a process that serves what the one above it says."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import sys
import traceback
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from entrepot.core.configuration import Configuration
from entrepot.server.servers.material import Material

READY = b"ready"
PROGRAM = "from entrepot.server.servers.worker import main; main()"
"""What a worker's interpreter runs: an `Order` comes on standard input, which stays open as long
as the process above lives."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker serves; `listening` and `answers` are descriptors that it inherits.

    On `answers`, it writes READY when it serves, or what keeps it from it.
    """

    configuration: Configuration
    material: Material | None
    listening: int
    answers: int

    def written(self) -> bytes:
        return pickle.dumps(sys.path) + pickle.dumps(self)


def main() -> None:
    """Serve until told to stop."""
    order = _read(sys.stdin.buffer)
    answers = _Answers(order.answers)
    try:
        _serve(order, answers)
    except Exception as error:
        answers.give(_reason(error).encode())
        raise SystemExit(1) from None


class _Answers:
    """The way to the process above: one answer, at most; what comes later is for the log."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor

    def give(self, answer: bytes) -> None:
        if self._descriptor < 0:
            sys.stderr.buffer.write(answer + b"\n")
            return
        descriptor, self._descriptor = self._descriptor, -1
        with open(descriptor, "wb") as file:
            file.write(answer)


def _read(source: BinaryIO) -> Order:
    """What the process above wrote."""
    sys.path[:] = pickle.load(source)  # noqa: S301 - our own
    order: Order = pickle.load(source)  # noqa: S301
    return order


def _serve(order: Order, answers: _Answers) -> None:
    # imported here, so that the process above is told of what fails
    from entrepot.core.plugins import disabled_by, load_plugins  # noqa: PLC0415
    from entrepot.server.logs import set_up_logging  # noqa: PLC0415
    from entrepot.server.memory import keep_freed_pieces  # noqa: PLC0415
    from entrepot.server.servers.here import Place, serve_here  # noqa: PLC0415

    set_up_logging(order.configuration)
    keep_freed_pieces()
    listening = socket.socket(fileno=order.listening)
    listening.set_inheritable(False)
    place = Place(listening, order.material, silent=True)
    plugins = load_plugins(disabled_by(os.environ))
    ready = partial(answers.give, READY)
    serve_here(order.configuration, plugins, place, ready, _until_orphaned)


def _reason(error: Exception) -> str:
    """A line for what an operator can mend, all there is for the rest."""
    from entrepot.core.errors import RegistryError  # noqa: PLC0415

    if isinstance(error, RegistryError):
        return str(error)
    return "".join(traceback.format_exception(error))


async def _until_orphaned() -> None:
    """Return when the process above is no more."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(0, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(0)
