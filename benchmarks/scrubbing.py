"""How fast a store is scrubbed, beside `sha256sum` and OpenSSL over the same files.

    $ python benchmarks/scrubbing.py            # 16 blobs of 64 MiB; --blobs and --size change it

Processor time is user and system time of the whole process; that of a scrub of an empty store,
which is the start of the interpreter, is taken off and shown by itself. The files were written
a moment before, so they come from the page cache.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
PEERS = (["sha256sum"], ["openssl", "dgst", "-sha256"])
BLOBS = "docker/registry/v2/blobs/sha256"


@dataclass(frozen=True, slots=True)
class Spent:
    """What a command used, in seconds."""

    cpu: float
    wall: float


def spent(command: Sequence[str]) -> Spent:
    """Run a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(cpu, wall)


def fill(root: Path, blobs: int, size: int) -> list[Path]:
    """Blobs of random bytes where a registry would have them."""
    made: list[Path] = []
    for _ in range(blobs):
        content = os.urandom(MIB) * size
        name = hashlib.sha256(content).hexdigest()
        path = root / BLOBS / name[:2] / name / "data"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        made.append(path)
    return made


def scrub(folder: Path, root: Path) -> Spent:
    """Hash all blobs of a store."""
    config = folder / f"{root.name}.yml"
    storage = {"filesystem": {"rootdirectory": str(root)}}
    config.write_text(json.dumps({"version": 0.1, "storage": storage}))
    command = [sys.executable, "-m", "entrepot.server", "scrub", str(config)]
    return spent([*command, "--only", "blobs", "--restart"])


def show(name: str, amount: int, used: Spent) -> None:
    """A line for one program."""
    rate = amount / used.cpu
    print(f"{name:22} {rate:6.0f} MiB per CPU-second, {used.wall:6.2f} s", flush=True)


def main() -> None:
    """Print a line for each program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--blobs", type=int, default=16)
    parser.add_argument("--size", type=int, default=64, help="MiB of each")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to store")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="scrubbing-", dir=given.folder))
    try:
        files = fill(folder / "full", given.blobs, given.size)
        (folder / "empty").mkdir()
        amount = given.blobs * given.size
        for _ in range(given.repeat):
            start, ours = scrub(folder, folder / "empty"), scrub(folder, folder / "full")
            show("entrepot scrub", amount, Spent(ours.cpu - start.cpu, ours.wall - start.wall))
            for program in PEERS:
                if shutil.which(program[0]):
                    show(" ".join(program), amount, spent([*program, *map(str, files)]))
            print(f"start of entrepot scrub: {start.cpu:.1f} CPU-seconds", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
