"""Processes of the storage servers: begun apart from this one, ended by id, and no others."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MIB", "Process", "end", "runs", "spawn"]

MIB = 1024 * 1024
_PAUSE = 0.05  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its id and by when it began, in case the id is given to another one."""

    pid: int
    began: int  # clock ticks since the machine started


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    memory: int,
    folder: Path,
    env: Mapping[str, str] | None = None,
) -> Process:
    """Start a command in a session of its own, its output appended to `log`.

    `memory` is the most that it may ask the kernel for, in bytes: past it, its allocations fail.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    resource.prlimit(process.pid, resource.RLIMIT_DATA, (memory, memory))
    process.returncode = 0  # it outlives this program, which is not to wait or warn of it
    return Process(process.pid, _began(process.pid) or 0)


def runs(process: Process) -> bool:
    """Whether it is that very process, and has not ended."""
    return _began(process.pid) == process.began


def end(processes: Iterable[Process], grace: float) -> None:
    """Ask all to end, and kill those that run `grace` seconds later; returns when all are gone."""
    living = [each for each in processes if runs(each)]
    _signal(living, signal.SIGTERM)
    if not _gone(living, grace):
        _signal(living, signal.SIGKILL)
        if not _gone(living, 10):
            raise TimeoutError(f"killed and still there: {[each.pid for each in living]}")


def _signal(processes: Iterable[Process], number: signal.Signals) -> None:
    for process in processes:
        if runs(process):
            os.kill(process.pid, number)


def _gone(processes: Sequence[Process], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(runs(each) for each in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _began(pid: int) -> int | None:
    """When a process began; None for one that has ended, waited for or not."""
    _reap(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _reap(pid: int) -> None:
    """Forget a child that has ended; those of earlier runs have another parent by now."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
