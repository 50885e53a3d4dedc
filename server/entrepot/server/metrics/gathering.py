"""Metrics of several workers, read by the process above them from the files they keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from entrepot.server.health.sharing import is_alive

_ENDED = "ended"
"""Stands where the process id of a worker stands, in the names of files of all that ended."""


def gathered(folder: Path) -> CollectorRegistry:
    """What all workers counted since the start, also those that have ended."""
    registry = CollectorRegistry()
    registry.register(_Workers(folder))
    return registry


class _Workers(Collector):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spent: dict[int, float] = {}  # seconds of processor time by process

    def collect(self) -> Iterable[Metric]:
        alive = set(fold_ended(self._folder))
        yield from _merged(self._folder)
        yield from self._processes(alive)

    def describe(self) -> Iterable[Metric]:
        return ()

    def _processes(self, alive: set[int]) -> Iterator[Metric]:
        """What the processes use together; the time of those that ended stays counted."""
        sums: dict[str, float] = {}
        for process in alive:
            for name, value in _usage(process):
                sums[name] = sums.get(name, 0.0) + value
                if name == "process_cpu_seconds_total":
                    self._spent[process] = value
        yield from _families(sums, sum(self._spent.values()))


def _merged(folder: Path) -> Iterable[Metric]:
    """Of all files that hold something: a worker has just begun one that is empty."""
    library: Any = MultiProcessCollector  # it has no types
    files = [str(path) for path in folder.glob("*.db") if path.stat().st_size]
    merged: Iterable[Metric] = library.merge(files)
    return merged


def _usage(process: int) -> Iterator[tuple[str, float]]:
    for metric in ProcessCollector(pid=lambda: process, registry=None).collect():
        for sample in metric.samples:
            yield sample.name, sample.value


_SUMMED = {
    "process_virtual_memory_bytes": "Virtual memory size in bytes, of all workers.",
    "process_resident_memory_bytes": "Resident memory size in bytes, of all workers.",
    "process_open_fds": "Number of open file descriptors, of all workers.",
    "process_max_fds": "Maximum number of open file descriptors, of all workers.",
}


def _families(sums: dict[str, float], spent: float) -> Iterator[Metric]:
    for name, text in _SUMMED.items():
        if name in sums:
            yield GaugeMetricFamily(name, text, sums[name])
    text = "Total user and system CPU time spent in seconds, of all workers."
    yield CounterMetricFamily("process_cpu_seconds", text, spent)


def fold_ended(folder: Path) -> Iterator[int]:
    """Put together the files of workers that ended, so that there are never many of them.

    What they counted stays; what they were doing (gauges that live with their process) goes.
    Gives the ids of workers that live.
    """
    for path in folder.glob("*.db"):
        kind, _, process = path.stem.rpartition("_")
        if process == _ENDED:
            continue
        if is_alive(int(process)):
            yield int(process)
            continue
        if not kind.startswith("gauge_live") and path.stat().st_size:
            _add(path, folder / f"{kind}_{_ENDED}.db")
        path.unlink()


def _add(source: Path, target: Path) -> None:
    values: Any = MmapedDict  # it has no types
    sums = values(str(target))
    try:
        for key, value, stamp, _ in values.read_all_values_from_file(str(source)):
            sums.write_value(key, sums.read_value(key)[0] + value, stamp)
    finally:
        sums.close()
