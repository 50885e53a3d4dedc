"""A span for each call of the driver, below that of the request which made it.

Attributes have Distribution's names.
"""

from __future__ import annotations

import asyncio
import time
from time import perf_counter

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, get_current_span

from entrepot.core.costs import DriverCall
from entrepot.core.errors import ExistsError, NotFoundError
from entrepot.server.storage_actions import action_of

_STORAGE = "io.cncf.distribution.storage"
_ANSWERS = (NotFoundError, ExistsError, asyncio.CancelledError)
"""What is said of an object, or by nobody any more, is no failure of the store."""


class StorageTracer:
    """Told of each call by the guard. What no traced request asked for has no span."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def __call__(self, call: DriverCall) -> None:
        if not get_current_span().is_recording():
            return
        shift = time.time_ns() - int(perf_counter() * 1e9)
        span = self._tracer.start_span(
            action_of(call),
            kind=SpanKind.CLIENT,
            start_time=shift + int(call.began * 1e9),
            attributes={
                f"{_STORAGE}.driver.name": call.driver,
                f"{_STORAGE}.path": f"/{call.key}",
                f"{_STORAGE}.content.length": call.bytes,
            },
        )
        if call.error is not None:
            span.set_attribute("error.type", type(call.error).__name__)
            if not call.is_callers and not isinstance(call.error, _ANSWERS):
                span.set_status(Status(StatusCode.ERROR))
        span.end(shift + int(call.ended * 1e9))
