"""Where a run took place: what a reader needs to judge its figures."""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from pathlib import Path

__all__ = ["conditions", "free_space", "memory", "stolen_seconds"]


def conditions(folder: Path) -> dict[str, str]:
    """Kernel, processors, memory, what else goes on, and the file system of a folder."""
    available, total = (memory(name) / (1 << 30) for name in ("MemAvailable", "MemTotal"))
    return {
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": f"{len(os.sched_getaffinity(0))} x {_processor()}",
        "memory": f"{available:.1f} of {total:.1f} GiB available",
        "busy before": f"{100 * _busy(1):.0f} % of the processors for a second",
        "file system": f"{_file_system(folder)} at {folder}",
    }


def memory(name: str) -> int:
    """Bytes, as /proc/meminfo names them."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found[1]) * 1024 if found else 0


def free_space(folder: Path) -> int:
    """Bytes that may still be written there."""
    return shutil.disk_usage(folder).free


def stolen_seconds() -> float:
    """Processor time that the host of a virtual machine gave to others, since it started."""
    return _processor_times()[7] / os.sysconf("SC_CLK_TCK")


def _busy(seconds: float) -> float:
    """The share of the processors that is in use while this process sleeps."""
    before = _processor_times()
    time.sleep(seconds)
    spent = [after - early for early, after in zip(before, _processor_times(), strict=True)]
    return 1 - (spent[3] + spent[4]) / max(1, sum(spent[:8]))


def _processor_times() -> list[int]:
    """Ticks: user, nice, system, idle, waiting for disks, two of interrupts, stolen."""
    return [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.processor() or "unknown"


def _file_system(folder: Path) -> str:
    """Type and options of the mount that holds a folder."""
    mounts: dict[str, str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, rest = line.partition(" - ")
        mounts[mount.split()[4]] = f"{rest.split()[0]} ({mount.split()[5]})"
    for parent in (folder.resolve(), *folder.resolve().parents):
        if str(parent) in mounts:
            return mounts[str(parent)]
    return "unknown"
