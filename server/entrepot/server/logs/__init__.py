"""Logs: messages on standard error in Distribution's forms, the access log on standard output."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from typing import Any, TextIO

from starlette.types import ASGIApp

from entrepot.core.configuration import Configuration
from entrepot.core.configuration.model_log import Log
from entrepot.server.instance import INSTANCE
from entrepot.server.logs import access
from entrepot.server.logs.forms import LineFormatter
from entrepot.server.logs.output import Output, OutputHandler
from entrepot.server.logs.requests import AnswerBrokenError, RequestLog, WriteAccess

_LOG = logging.getLogger("entrepot.server")
_LEVELS = {
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
_OURS = ("entrepot", "_granian")


def set_up_logging(configuration: Configuration) -> None:
    """Make the `logging` module of this process write as the `log` section says.

    Libraries are heard from `warning` on, whatever the level: some call each of their requests
    information, and below that they tell signatures and tokens.
    """
    log = configuration.log
    root = logging.getLogger()
    root.handlers[:] = [_handler(log), *_hooks(configuration)]
    level = _LEVELS[log.level]
    root.setLevel(max(level, logging.WARNING))
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells URLs, secrets included
    for name in ("_granian.utils", "uvicorn.error"):
        logging.getLogger(name).addFilter(_is_news)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # not shown


def logged(app: ASGIApp, configuration: Configuration) -> ASGIApp:
    """The same application, whose requests are told of in the logs."""
    return RequestLog(app, _write_access(configuration))


def _hooks(configuration: Configuration) -> list[logging.Handler]:
    hooks = [hook for hook in configuration.log.hooks if hook.is_mail and not hook.disabled]
    if not hooks:
        return []
    from entrepot.server.logs.mail import MailHandler  # noqa: PLC0415 - loads what speaks SMTP

    return [MailHandler(hook) for hook in hooks]


def _handler(log: Log) -> logging.Handler:
    output = _output(sys.stderr, "messages")
    if output is None:
        return logging.NullHandler()
    handler = OutputHandler(output)
    handler.setFormatter(
        LineFormatter(log.formatter, _constant(log.fields), callers=log.reportcaller)
    )
    return handler


def _write_access(configuration: Configuration) -> WriteAccess | None:
    log = configuration.log.accesslog
    output = None if log.disabled else _output(sys.stdout, "access log")
    if output is None:
        return None
    put = output.put
    return access.one_json(put) if log.formatter == "json" else access.combined(put)


def _output(stream: TextIO | None, what: str) -> Output | None:
    """None if the process was started without that stream: its number may be a socket's now."""
    if stream is None:
        return None
    stream.flush()
    return Output(stream.fileno(), lambda said: _LOG.warning("%s: %s", what, said))


def _constant(fields: dict[str, Any]) -> dict[str, Any]:
    """What is in every line: what runs here, and the configuration's own fields."""
    return {"instance.id": INSTANCE, "version": version("entrepot"), **fields}


def _is_news(record: logging.LogRecord) -> bool:
    """Whether an error that the server saw is not in the log yet."""
    if record.exc_info and isinstance(record.exc_info[1], AnswerBrokenError):
        return False
    return AnswerBrokenError.__name__ not in str(record.msg)  # where a traceback is the message
