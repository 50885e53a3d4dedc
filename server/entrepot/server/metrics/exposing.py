"""Metrics as text, of this process or of its workers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from entrepot.server.metrics.gathering import gathered
from entrepot.server.metrics.meters import Metrics


class _Series:
    """A registry whose series have the labels that Distribution gives them, and no more.

    Left out are the moments at which counters began: they would double the series. Bounds of
    buckets are written as Go writes them (`1`, not `1.0`) where that is the custom.
    """

    def __init__(self, registry: CollectorRegistry, *, short: bool) -> None:
        self._registry = registry
        self._short = short

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            samples = (one for one in metric.samples if not one.name.endswith("_created"))
            metric.samples = [_shortened(one) if self._short else one for one in samples]
            yield metric


def _shortened(sample: Sample) -> Sample:
    bound = sample.labels.get("le", "")
    if not bound.endswith(".0"):
        return sample
    return sample._replace(labels=sample.labels | {"le": bound.removesuffix(".0")})


class Exposition:
    """Of `source`: the metrics of an application, or the folder into which workers put theirs."""

    def __init__(self, source: Metrics | Path) -> None:
        self._source = source
        self._registry = source.registry if isinstance(source, Metrics) else gathered(source)
        self._one_at_a_time = asyncio.Lock()

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The values now and their media type, in a form that the Accept header asks for."""
        encode, media_type = choose_encoder(accept)
        async with self._one_at_a_time:
            if isinstance(self._source, Metrics):
                self._source.refresh()
            series = _Series(self._registry, short=media_type.startswith("text/plain"))
            return await asyncio.to_thread(encode, series), media_type
