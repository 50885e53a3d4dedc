"""Where a run took place: what a reader needs to judge its figures."""

from __future__ import annotations

import os
import platform
import re
import shutil
from pathlib import Path

__all__ = ["conditions", "free_space"]


def conditions(folder: Path) -> dict[str, str]:
    """Kernel, processors, memory, load and the file system of a folder."""
    return {
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": f"{len(os.sched_getaffinity(0))} x {_processor()}",
        "memory": f"{_memory('MemAvailable')} of {_memory('MemTotal')} available",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "file system": f"{_file_system(folder)} at {folder}",
    }


def free_space(folder: Path) -> int:
    """Bytes that may still be written there."""
    return shutil.disk_usage(folder).free


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.processor() or "unknown"


def _memory(name: str) -> str:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return f"{int(found[1]) / (1 << 20):.1f} GiB" if found else "?"


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
