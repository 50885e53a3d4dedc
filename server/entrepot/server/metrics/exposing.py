"""Metrics as text, of this process or of its workers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from entrepot.server.metrics.gathering import gathered
from entrepot.server.metrics.meters import Metrics


class _Series:
    """All of a registry but the moments at which counters began, which Distribution lacks, too.

    They would double the series of an application that has many.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric


class Exposition:
    """Of `source`: the metrics of an application, or the folder into which workers put theirs."""

    def __init__(self, source: Metrics | Path) -> None:
        self._source = source
        registry = source.registry if isinstance(source, Metrics) else gathered(source)
        self._series = _Series(registry)
        self._one_at_a_time = asyncio.Lock()

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The values now and their media type, in a form that the Accept header asks for."""
        encode, media_type = choose_encoder(accept)
        async with self._one_at_a_time:
            if isinstance(self._source, Metrics):
                self._source.refresh()
            return await asyncio.to_thread(encode, self._series), media_type
