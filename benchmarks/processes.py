"""What a tree of processes has used, read from /proc."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

__all__ = ["forget_peaks", "peak_memory", "processor_seconds", "resident_memory", "tree"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def tree(root: int) -> list[int]:
    """The ids of a process and of all its living descendants."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children[int(fields[1])].append(int(entry.name))
    found = [root]
    for process in found:
        found.extend(children[process])
    return found


def processor_seconds(root: int) -> float:
    """Seconds of user and system time of the tree, with descendants that have ended."""
    ticks = sum(sum(map(int, _stat(process)[11:15])) for process in tree(root))
    return ticks / _TICKS


def resident_memory(root: int) -> int:
    """Bytes resident now, summed over the tree: pages that two processes share count twice."""
    return sum(_status(process, "VmRSS") for process in tree(root))


def peak_memory(root: int) -> int:
    """Bytes resident at most since `forget_peaks`: the sum of every process's own peak."""
    return sum(_status(process, "VmHWM") for process in tree(root))


def forget_peaks(root: int) -> bool:
    """Let every peak begin anew at what is resident now; False where that is not allowed."""
    try:
        for process in tree(root):
            (_PROC / str(process) / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none if the process has ended."""
    try:
        return (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _status(process: int, name: str) -> int:
    try:
        lines = (_PROC / str(process) / "status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
