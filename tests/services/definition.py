"""What a storage server is to `run.py`: how it is installed, started, and known to be ready."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.processes import MIB, Process, end, runs, spawn

__all__ = ["Definition", "Place", "ServiceError"]

_READY = 90.0  # seconds
_SHOWN = 2000  # characters of a log


class ServiceError(Exception):
    """A server cannot be installed, started or stopped; the message says which and why."""


@dataclass(slots=True)
class Place:
    """Where one server lives: its folder, its ports and its processes."""

    folder: Path
    port: int  # the first of its own
    memory: int  # bytes that each of its processes may have
    processes: list[Process] = field(default_factory=list[Process])

    @property
    def data(self) -> Path:
        """What it stores; gone with `wipe`."""
        return self._made("data")

    @property
    def sockets(self) -> Path:
        """Its sockets in the file system."""
        return self._made("run")

    @property
    def logs(self) -> Path:
        """What its processes say."""
        return self._made("log")

    def program(self, name: str) -> Path:
        """A program of its Python environment."""
        return self.folder / "venv" / "bin" / name

    def spawn(
        self,
        name: str,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Process:
        """Start one of its processes, whose log begins anew."""
        log = self.logs / f"{name}.log"
        log.unlink(missing_ok=True)
        process = spawn(command, log=log, memory=self.memory, folder=folder or self.data, env=env)
        self.processes.append(process)
        return process

    def wait(self, name: str, ready: Callable[[], bool]) -> None:
        """Until the process spawned last is ready.

        Raises ServiceError: with the end of its log, if it ends before or takes too long.
        """
        deadline = time.monotonic() + _READY
        while not ready():
            ended = not runs(self.processes[-1])
            if ended or time.monotonic() > deadline:
                what = "ended before it was ready" if ended else f"is not ready after {_READY:g} s"
                log = (self.logs / f"{name}.log").read_text(errors="replace")
                raise ServiceError(f"{name} {what}:\n{log[-_SHOWN:].strip()}")
            time.sleep(0.1)

    def end(self, grace: float) -> None:
        """End its processes, the last one first."""
        for process in reversed(self.processes):
            end([process], grace)
        self.processes.clear()

    def _made(self, name: str) -> Path:
        made = self.folder / name
        made.mkdir(parents=True, exist_ok=True)
        return made


@dataclass(frozen=True, slots=True)
class Definition:
    """A storage server that `run.py` knows."""

    name: str
    purpose: str
    packages: Sequence[str]  # what is installed, as its package manager names it
    install: Callable[[Path], None]  # into that folder; what is there already is kept
    installed: Callable[[Path], bool]
    start: Callable[[Place], Mapping[str, str]]  # gives what a client has to know
    ports: int = 1  # in a row
    grace: float = 5.0  # seconds between asking it to end and killing it
    memory: int = 4096 * MIB  # bytes for each process
