"""Logs: Distribution's forms on standard error, and the access log on standard output."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, Processor, WrappedLogger

from entrepot.core.configuration import Configuration

_LEVELS = {
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
_OURS = ("entrepot", "_granian")


def set_up_logging(configuration: Configuration) -> None:
    """Make the `logging` module of this process write as the `log` section says.

    Libraries are heard from `warning` on, unless the level is `debug`: some client libraries
    call each of their requests information.
    """
    log = configuration.log
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(log.formatter, log.fields, callers=log.reportcaller))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = _LEVELS[log.level]
    root.setLevel(level if level == logging.DEBUG else max(level, logging.WARNING))
    for name in _OURS:
        logging.getLogger(name).setLevel(level)


def _formatter(form: str, fields: Mapping[str, Any], *, callers: bool) -> logging.Formatter:
    def add_fields(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {**event, **fields}

    stamp = "@timestamp" if form == "logstash" else "time"
    before: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", key=stamp),
        add_fields,
        *([_add_caller] if callers else []),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            *_renderers(form),
        ],
    )


def _add_caller(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Where in the source a line comes from, under Distribution's names."""
    record: logging.LogRecord = event["_record"]
    return {**event, "file": f"{record.filename}:{record.lineno}", "func": record.funcName}


def _renderers(form: str) -> list[Processor]:
    """Distribution calls the text `msg`, and logstash calls it `message`."""
    if form == "text":
        keys = ["time", "level", "msg"]
        rename = structlog.processors.EventRenamer("msg")
        return [rename, structlog.processors.LogfmtRenderer(key_order=keys)]
    if form == "json":
        return [structlog.processors.EventRenamer("msg"), structlog.processors.JSONRenderer()]

    def version(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {"@version": "1", **event}

    rename = structlog.processors.EventRenamer("message")
    return [rename, version, structlog.processors.JSONRenderer()]


class AccessLog:
    """ASGI middleware: a line in Apache's combined format for each answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, sent = 0, 0

        async def sending(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = _announced(message)
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            sys.stdout.write(_line(scope, status or 499, sent))
            sys.stdout.flush()


def _announced(message: Message) -> int:
    for name, value in message["headers"]:
        if name == b"content-length":
            return int(value)
    return 0


def _line(scope: Scope, status: int, sent: int) -> str:
    headers = Headers(scope=scope)
    client = scope.get("client") or ("-", 0)
    query = scope["query_string"].decode("latin-1")
    target = _clean(scope["path"] + (f"?{query}" if query else ""))
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    return (
        f'{client[0]} - - [{when}] "{_clean(scope["method"], 32)} {target} '
        f'HTTP/{scope["http_version"]}" {status} {sent} '
        f'"{_clean(headers.get("referer", ""))}" "{_clean(headers.get("user-agent", ""))}"\n'
    )


def _clean(text: str, most: int = 4096) -> str:
    """No client writes a line of its own into the log, ends a quoted field or fills the disk."""
    text = text[:most]
    if text.isascii() and text.isprintable() and '"' not in text:
        return text
    return text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
