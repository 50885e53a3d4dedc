"""Garbage collection: ours and Distribution's, on stores that are alike.

For each size a store is filled for each side, with small images of which a fifth is garbage,
and collected while no registry runs. Seconds, processor seconds and peak memory are those of
the collecting process. With --simulated the store is nowhere, and only the mark is run, to
see how memory and time grow.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import bare, servers, storages
from benchmarks.failures import BenchmarkError
from benchmarks.simulated import SimulatedDriver, prepare
from benchmarks.store import Shape, fill, objects

from entrepot.core import layout
from entrepot.core.collecting.marking import MarkOptions, MarkReport, unreachable
from entrepot.core.concurrency import each
from entrepot.core.guard import GuardedDriver
from entrepot.core.streams import once
from entrepot.server.cli.opening import store_of

_MIB = 1024  # KiB, in which the system tells peaks
_IMAGES = Shape().images
_AGE = 3600.0  # seconds that everything in the folders is old
_BATCH = 1000  # objects that are made before they are written
_COLLECT = "garbage-collect"
_ARGUMENTS = {
    servers.OURS: (_COLLECT, "--offline", "--quiet"),
    "v2": (_COLLECT,),
    "v3": (_COLLECT, "--quiet"),
}
_BARE = servers.Program("bare", "bare calls", "", [sys.executable, str(Path(bare.__file__))])


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process used until its end."""

    seconds: float
    processor_seconds: float
    peak_mib: float

    @classmethod
    def by(cls, command: Sequence[str | Path]) -> Spent:
        """Run a command that must succeed."""
        env = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
        began = time.monotonic()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=env)
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                said.seek(0)
                raise BenchmarkError(said.read()[-2000:].decode(errors="replace"))
        return cls(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / _MIB)


def measure(side: servers.Program, backend: str, folder: Path, shape: Shape) -> Spent:
    """One side's collection of a new store."""
    config, root = folder / "config.yml", folder / "store"
    with storages.open_storage(backend, root) as storage:
        section = {**storage.section, "delete": {"enabled": True}}
        config.write_text(json.dumps({"version": 0.1, "storage": section}))
        store = _Folder(root) if backend == storages.FILESYSTEM else _Store(config)
        try:
            say(f"{side.title}: fill {shape.all_blobs} blobs")
            store.fill(shape)
            say(f"{side.title}: collect")
            spent = Spent.by([*side.command, *_ARGUMENTS.get(side.name, ()), config])
            left = store.blobs()
        finally:
            shutil.rmtree(root, ignore_errors=True)
    if left != shape.left_blobs:
        raise BenchmarkError(f"{side.title} left {left} blobs, not {shape.left_blobs}")
    return spent


class _Folder:
    """A store on this machine, filled past any driver."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def fill(self, shape: Shape) -> None:
        fill(self._root, shape, _AGE)
        subprocess.run(["sync", "-f", str(self._root)], check=False)

    def blobs(self) -> int:
        """How many there are."""
        return sum("data" in files for _, _, files in os.walk(self._root / layout.BLOBS))


class _Store:
    """A configured store, filled through its driver."""

    def __init__(self, config: Path) -> None:
        self._store = store_of(config)

    def fill(self, shape: Shape) -> None:
        asyncio.run(self._fill(shape))

    async def _fill(self, shape: Shape) -> None:
        async with self._store.opening() as driver:

            async def put(item: tuple[str, bytes]) -> None:
                await driver.write(item[0], once(item[1]))

            waiting = objects(shape)
            while batch := list(islice(waiting, _BATCH)):
                await each(put, batch)

    def blobs(self) -> int:
        """How many there are."""
        return asyncio.run(self._blobs())

    async def _blobs(self) -> int:
        async with self._store.opening() as driver, aclosing(driver.scan(layout.BLOBS)) as found:
            return sum([1 async for _ in found])


async def mark(file: Path, shape: Shape) -> None:
    """Our mark of a simulated store."""
    driver = SimulatedDriver(file, shape)
    garbage = 0
    try:
        marked = unreachable(GuardedDriver(driver), MarkOptions(_AGE, time.time()), MarkReport())
        async with aclosing(marked) as found:
            async for one in found:
                garbage += one.kind == "blob"
    finally:
        driver.close()
    expected = shape.all_blobs + shape.all_manifests - shape.left_blobs
    if garbage != expected:
        raise BenchmarkError(f"{garbage} of {expected} blobs were found")


def simulate(folder: Path, shape: Shape) -> Spent:
    """Our mark of a simulated store, in a process of its own.

    Its list is made in another one: a process' peak counts what its parent had at its start.
    """
    file = folder / "blobs"
    say(f"simulate {shape.all_blobs} blobs")
    here: list[str | Path] = [sys.executable, __file__]
    size = str(shape.repositories)
    Spent.by([*here, "--prepare", file, "--repositories", size])
    return Spent.by([*here, "--mark", file, "--repositories", size])


def row(what: str, spent: Spent, peer: Spent | None = None) -> str:
    """A line of the report; ratios say how many times as much the peer used."""
    figures = [
        f"{spent.seconds:.1f} s",
        f"{spent.processor_seconds:.1f} CPU s",
        f"{spent.peak_mib:.0f} MiB",
    ]
    if peer is not None:
        figures += [
            f"{peer.seconds / spent.seconds:.1f} x faster",
            f"{peer.processor_seconds / spent.processor_seconds:.1f} x less work",
        ]
    return f"{what:<44} " + ", ".join(figures)


def run(asked: argparse.Namespace) -> None:
    """Measure what was asked for and print it."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="scale-") as place:
        folder = Path(place)
        for repositories in asked.repositories or ([] if asked.simulated else [200, 2000]):
            shape = replace(Shape(), repositories=repositories)
            sides = servers.find(asked.server, "", asked.backend) + [_BARE] * asked.bare
            spent = {side.name: measure(side, asked.backend, folder, shape) for side in sides}
            ours = spent.get(servers.OURS)
            for side, each in spent.items():
                size = f"{shape.all_blobs} blobs, {shape.all_manifests} manifests"
                size += "" if asked.backend == storages.FILESYSTEM else f" on {asked.backend}"
                lines.append(row(f"{size}, {side}", each))
                if ours is not None and side != servers.OURS:
                    lines.append(row("  ours against it", ours, each))
        for blobs in asked.simulated:
            shape = replace(Shape(), repositories=blobs // Shape().blobs // _IMAGES)
            lines.append(row(f"{shape.all_blobs} blobs simulated, mark", simulate(folder, shape)))
    print("\n".join(lines))


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--repositories", type=int, action="append", default=[], metavar="N",
        help=f"of {_IMAGES} images each; may be given again (200 and 2000)")  # fmt: skip
    add("--simulated", type=int, action="append", default=[], metavar="BLOBS",
        help="mark a simulated store of so many blobs; may be given again")  # fmt: skip
    add("--server", action="append", default=[], choices=[servers.OURS, *servers.PEERS],
        help="only this one; may be given again (all that are found)")  # fmt: skip
    add("--backend", default=storages.FILESYSTEM, choices=storages.BACKENDS,
        help="where the stores are (%(default)s)")  # fmt: skip
    add("--bare", action="store_true",
        help="also what the listings, reads and deletions cost of a folder alone")  # fmt: skip
    add("--folder", type=Path, default=None, help="where stores are made, to be removed again")
    add("--prepare", type=Path, help=argparse.SUPPRESS)
    add("--mark", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    try:
        storages.check(asked.backend)
        if asked.bare and asked.backend != storages.FILESYSTEM:
            raise BenchmarkError("--bare is of folders")
        if asked.prepare is not None:
            prepare(asked.prepare, replace(Shape(), repositories=asked.repositories[0]))
        elif asked.mark is not None:
            asyncio.run(mark(asked.mark, replace(Shape(), repositories=asked.repositories[0])))
        else:
            run(asked)
    except BenchmarkError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
