"""The form of a line: text, JSON or logstash's JSON, with Distribution's names of fields."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii
from typing import Any, Literal, TypeAlias

from entrepot.server.account import current_account

Form: TypeAlias = Literal["text", "json", "logstash"]

_LONGEST = 16 * 1024  # characters of a message or a trace
_PLAIN = re.compile(r"[A-Za-z0-9._/@^+-]+").fullmatch  # what logrus writes without quotes
_NO_KEY = re.compile(r"[^!#-<>-~]+")
_OBJECT = ("{", ",", "}\n")  # what opens it, stands between its fields, closes the line
_encode = json.JSONEncoder(default=str, separators=(",", ":")).encode


def moment(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 with microseconds, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def as_text(fields: Mapping[str, Any]) -> str:
    """Fields as `key=value`. A value with more than letters in it is quoted and escaped, so
    that nobody ends a line or a quotation, or speaks to a terminal.
    """
    return " ".join([f"{key}={_quoted(value)}" for key, value in fields.items()])


def as_json(fields: Mapping[str, Any]) -> str:
    """Fields as one JSON object in one line."""
    return _encode(fields)


def _inner_json(fields: Mapping[str, Any]) -> str:
    return _encode(fields)[1:-1]


def _quoted(value: Any) -> str:
    written = value if type(value) is str else _plain_text(value)
    if _PLAIN(written):
        return written
    quoted = encode_basestring_ascii(written)
    return quoted.replace("\x7f", "\\u007f") if "\x7f" in quoted else quoted


def _plain_text(value: Any) -> str:
    return str(value) if not isinstance(value, bool | dict | list) else _encode(value)


class LineFormatter(logging.Formatter):
    """A record as one line: the moment, level and message, then `constant`, then its own fields.

    A record's fields are its attribute `fields`, a mapping. Of a request's records that are
    not about the request itself, they are its id and who it is from.
    """

    def __init__(self, form: Form, constant: Mapping[str, Any], *, callers: bool = False) -> None:
        super().__init__()
        self._callers = callers
        is_text, is_logstash = form == "text", form == "logstash"
        self._render = as_text if is_text else _inner_json
        self._opening, self._between, self._closing = ("", " ", "\n") if is_text else _OBJECT
        self._first = {"@version": "1"} if is_logstash else {}
        self._time, self._message = ("@timestamp", "message") if is_logstash else ("time", "msg")
        # the same in every line, so it is put into its form once
        self._constant = self._render({_NO_KEY.sub("_", key): constant[key] for key in constant})

    def format(self, record: logging.LogRecord) -> str:
        first = {
            **self._first,
            self._time: moment(record.created),
            "level": record.levelname.lower(),
            self._message: record.getMessage()[:_LONGEST],
        }
        own = {**fields_of(record), "logger": record.name}
        if self._callers:
            own["file"] = f"{record.filename}:{record.lineno}"
            own["func"] = record.funcName
        if record.exc_info:
            own["exception"] = self.formatException(record.exc_info)[-_LONGEST:]
        parts = (self._render(first), self._constant, self._render(own))
        return self._opening + self._between.join(filter(None, parts)) + self._closing


def fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """What a record says besides its message."""
    fields: Mapping[str, Any] | None = getattr(record, "fields", None)
    if fields is not None:
        return fields
    seen = current_account()
    if seen is None:
        return {}
    of_request = {"http.request.id": seen.id}
    return of_request | {"auth.user.name": seen.user} if seen.user else of_request
