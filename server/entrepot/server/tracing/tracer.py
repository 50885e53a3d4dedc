"""The tracer of one application, and what brings its spans to the collector."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from threading import Thread

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from starlette.types import ASGIApp

from entrepot.server.tracing.requests import KindOf, Traced
from entrepot.server.tracing.storage import StorageTracer

_LOG = logging.getLogger("entrepot.server.tracing")
_PAUSE = 300.0  # seconds between two lines about a collector that does not take spans
_END = 3.0  # seconds that the last spans have to be sent
_ABORT = 1.0  # seconds more until what is being sent is given up


class Tracing:
    """Makes spans; they are sent while it is `at_work`, in a thread and from a bounded queue."""

    def __init__(self) -> None:
        _silence()
        self._exporter = QuietExporter(OTLPSpanExporter())
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._tracer = self._provider.get_tracer("entrepot", version("entrepot"))
        self.observe = StorageTracer(self._tracer)

    def traced(self, app: ASGIApp, kind_of: KindOf) -> ASGIApp:
        """The same application, with a span around each request."""
        return Traced(app, kind_of, self._tracer)

    @asynccontextmanager
    async def at_work(self) -> AsyncGenerator[None, None]:
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        try:
            yield
        finally:
            await self._end()

    async def _end(self) -> None:
        """Send the last spans, in a thread that nobody has to wait for."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # it took so long that the loop is gone
                loop.call_soon_threadsafe(done.set)

        Thread(target=end, daemon=True).start()
        for seconds in (_END, _ABORT):
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), seconds)
                return
            self._exporter.shutdown()  # it may be waiting between two tries


def _silence() -> None:
    """The library tells of each try, and shows headers that it cannot read."""
    for name in ("opentelemetry.exporter.otlp", "opentelemetry.util.re"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _resource() -> Resource:
    """Ours, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise."""
    ours = Resource({"service.name": "entrepot", "service.version": version("entrepot")})
    return Resource.create(dict(ours.merge(OTELResourceDetector().detect()).attributes))


class QuietExporter(SpanExporter):
    """Says in a line now and then that spans are lost, instead of with each batch."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0
        self._told = float("-inf")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # an address that is none, for instance
            _LOG.debug("traces cannot be sent", exc_info=error)
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self._miss(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _miss(self, number: int) -> None:
        self._lost += number
        now = time.monotonic()
        if now - self._told >= _PAUSE:
            _LOG.warning("the collector of traces does not take them: %d spans lost", self._lost)
            self._told, self._lost = now, 0
