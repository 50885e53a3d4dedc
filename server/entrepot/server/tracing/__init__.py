"""Traces by OpenTelemetry, as the `OTEL_*` variables say. Without any, there are none.

Distribution sends them to localhost unless it is told not to; that trap is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from entrepot.server.tracing.tracer import Tracing

_LOG = logging.getLogger("entrepot.server.tracing")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTER = "OTEL_TRACES_EXPORTER"
_SPOKEN = "http/protobuf"


def tracing_of(environ: Mapping[str, str]) -> Tracing | None:
    """What makes traces; None if nobody wants any, or it cannot be had, which is logged once."""
    if not _wanted(environ):
        return None
    if problem := _problem(environ):
        _LOG.warning("no traces: %s", problem)
        return None
    try:
        from entrepot.server.tracing.tracer import Tracing  # noqa: PLC0415 - heavy, and an extra
    except ImportError:
        _LOG.warning(
            "no traces: OTEL_* variables ask for them, and their library is not installed; "
            "install entrepot[otel], or set %s=none",
            _EXPORTER,
        )
        return None
    try:
        return Tracing()
    except ValueError as error:  # of one of many variables that the library reads
        _LOG.warning("no traces: mend the OTEL_* variables: %s", error)
        return None


def _wanted(environ: Mapping[str, str]) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get(_EXPORTER, "").strip()
    if exporter:
        return exporter != "none"
    return any(environ.get(name, "").strip() for name in _ENDPOINTS)


def _problem(environ: Mapping[str, str]) -> str:
    exporter = environ.get(_EXPORTER, "").strip() or "otlp"
    if exporter != "otlp":
        return f"{_EXPORTER}={exporter[:50]} is unknown; write otlp or none"
    for name in _PROTOCOLS:
        protocol = environ.get(name, "").strip()
        if protocol not in {"", _SPOKEN}:
            return f"{name}={protocol[:50]} is not spoken; write {_SPOKEN} and its endpoint"
    return ""
