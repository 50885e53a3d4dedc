"""A small receiver of traces by OTLP over HTTP, for tests."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it was sent; ids are hexadecimal, times nanoseconds."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    failed: bool
    began: int
    ended: int
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass
class Collector:
    """What was received; `status` is what is answered from now on."""

    url: str
    status: int = 200
    spans: Queue[ReceivedSpan] = field(default_factory=Queue[ReceivedSpan])
    bodies: list[bytes] = field(default_factory=list[bytes])

    def take(self, number: int, seconds: float = 20) -> list[ReceivedSpan]:
        """The next spans, in the order in which they ended."""
        return [self.spans.get(timeout=seconds) for _ in range(number)]

    def is_empty(self) -> bool:
        try:
            self.spans.get_nowait()
        except Empty:
            return True
        return False


@contextmanager
def collecting() -> Generator[Collector, None, None]:
    """A collector on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.bodies.append(body)
            self.send_response(collector.status)
            self.end_headers()
            if collector.status == 200:
                for span in _spans(body):
                    collector.spans.put(span)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _spans(body: bytes) -> Generator[ReceivedSpan, None, None]:
    request: Any = ExportTraceServiceRequest.FromString(body)
    for resources in request.resource_spans:
        resource = _values(resources.resource.attributes)
        for scopes in resources.scope_spans:
            for span in scopes.spans:
                yield ReceivedSpan(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.kind,
                    span.status.code == 2,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _values(span.attributes),
                    resource,
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
