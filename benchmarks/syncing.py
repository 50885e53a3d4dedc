"""Whether a server forces what it stores to the disk: seen, not believed."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks import processes

__all__ = ["flush", "seen_syncs"]

_CALLS = ("fsync", "fdatasync", "syncfs", "sync_file_range")
_ATTACHING = 5  # seconds


def flush(folder: Path) -> None:
    """Write out what one phase left behind, so that the next does not wait for it."""
    subprocess.run(["sync", "-f", str(folder)], check=False)


def seen_syncs(server: int, push: Callable[[], None], log: Path) -> str:
    """The calls by which a push was forced to the disk, as strace saw them."""
    if shutil.which("strace") is None:
        return "unknown (strace is not here)"
    traced = [part for process in processes.tree(server) for part in ("-p", str(process))]
    command = ["strace", "-f", "-qq", "-e", f"trace={','.join(_CALLS)}", "-o", str(log)]
    tracer = subprocess.Popen(
        [*command, *traced], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        if not _attached(tracer, server):
            return "unknown (strace may not attach)"
        push()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
    found = Counter(re.findall(rf"\b({'|'.join(_CALLS)})\(", log.read_text()))
    return ", ".join(f"{count} {call}" for call, count in sorted(found.items())) or "none"


def _attached(tracer: subprocess.Popen[bytes], server: int) -> bool:
    """Whether every thread of the server is watched before the time is up."""
    deadline = time.monotonic() + _ATTACHING
    while tracer.poll() is None and time.monotonic() < deadline:
        if all(_watched(thread) for process in processes.tree(server) for thread in _of(process)):
            return True
        time.sleep(0.02)
    return False


def _of(process: int) -> list[Path]:
    return list(Path(f"/proc/{process}/task").iterdir())


def _watched(thread: Path) -> bool:
    try:
        return "TracerPid:\t0\n" not in (thread / "status").read_text()
    except OSError:
        return True
