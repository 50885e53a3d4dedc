"""Requests to one server, and their answers in a form that two servers can be compared by."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias
from urllib.parse import urlsplit

__all__ = ["Answer", "Play", "Scenario", "aspects"]

Aspects: TypeAlias = Mapping[str, str]
"""An answer taken apart: `status`, `header X`, and `codes`, `messages`, `details` or `body`."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_STATE = re.compile(r"[?&]_state=[^&]*")
_SCOPES = re.compile(r'(?<=scope=")[^"]*')
_BOUNDARY = re.compile(r"boundary=(\w+)")
_VOLATILE = {"date", "connection"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    method: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    is_whole: bool = True

    def header(self, name: str) -> str:
        """The value of a header, or nothing."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def location(self) -> str:
        """Path and query of the address that the answer leads to."""
        parts = urlsplit(self.header("Location"))
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


@dataclass(slots=True)
class Play:
    """Makes requests, each with a name, and keeps their answers."""

    address: str
    prefix: str = ""
    answers: dict[str, Aspects] = field(default_factory=dict[str, Aspects])

    def __call__(
        self,
        name: str,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        told: bool = True,
    ) -> Answer:
        """One request on a connection of its own, sent as given; not `told`, it has no name."""
        connection = http.client.HTTPConnection(self.address, timeout=20)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            given = {key.lower() for key, _ in headers}
            if (body or method in {"POST", "PUT", "PATCH"}) and "content-length" not in given:
                connection.putheader("Content-Length", str(len(body)))
            for key, value in headers:
                connection.putheader(key, value)
            with suppress(BrokenPipeError):  # an answer may come before all is sent
                connection.endheaders(body or None)
            got = connection.getresponse()
            answer = Answer(method, got.status, got.getheaders(), *_read(got))
        finally:
            connection.close()
        if told:
            assert name not in self.answers, name
            self.answers[name] = aspects(answer, self.address)
        return answer

    def under(self, path: str) -> str:
        """A path of the API below the server's prefix."""
        return f"{self.prefix}/v2/{path}"


Scenario: TypeAlias = Callable[[Play], None]
"""Plays requests that say what a server does with one subject."""


def _read(got: http.client.HTTPResponse) -> tuple[bytes, bool]:
    try:
        return got.read(), True
    except http.client.IncompleteRead as error:
        return error.partial, False


def aspects(answer: Answer, address: str) -> Aspects:
    """What is compared; what differs from one run to the next is replaced."""
    found = {"status": str(answer.status)}
    if boundary := _BOUNDARY.search(answer.header("Content-Type")):
        answer = _with_boundary(answer, boundary[1])
    if not answer.is_whole:
        found["broken off"] = "yes"
    headers: dict[str, list[str]] = {}
    for name, value in answer.headers:
        if name.lower() not in _VOLATILE:
            headers.setdefault(name.lower(), []).append(value)
    if headers.get("content-length") == [str(len(answer.body))] and answer.method != "HEAD":
        headers["content-length"] = ["that of the body"]
    for name, values in headers.items():
        found[f"header {name}"] = steady(" | ".join(sorted(values)), address)
    return found | _content(answer, address)


def _with_boundary(answer: Answer, boundary: str) -> Answer:
    """The answer with parts of a fixed name and without their length."""
    headers = [
        (name, value.replace(boundary, "boundary"))
        for name, value in answer.headers
        if name.lower() != "content-length"
    ]
    body = answer.body.replace(boundary.encode(), b"boundary")
    return replace(answer, headers=headers, body=body)


def steady(text: str, address: str) -> str:
    """Text without what is another one each time."""
    text = _UUID.sub("<uuid>", text.replace(address, "<address>"))
    return _SCOPES.sub(_in_order, _STATE.sub("", text))


def _in_order(scopes: re.Match[str]) -> str:
    """Distribution names them, and what may be done, in any order."""
    named = (scope.rpartition(":") for scope in scopes[0].split())
    return " ".join(sorted(f"{of}:{','.join(sorted(to.split(',')))}" for of, _, to in named))


def _content(answer: Answer, address: str) -> dict[str, str]:
    if not answer.body:
        return {}
    text = steady(answer.body.decode("latin-1"), address)
    if "json" not in answer.header("Content-Type"):
        return {"body": text}
    try:
        value: dict[str, Any] = json.loads(text)
    except ValueError:
        return {"body": text}
    if "errors" not in value:
        return {"body": json.dumps(value)}
    errors: list[dict[str, Any]] = value["errors"]
    return {
        "codes": json.dumps([one.get("code") for one in errors]),
        "messages": json.dumps([one.get("message") for one in errors]),
        "details": json.dumps([one.get("detail") for one in errors]),
    }
