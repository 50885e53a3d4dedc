"""The application in process, asked with requests that no HTTP client would send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.types import Message, Scope

from entrepot.core.configuration import load
from entrepot.core.plugins import load_plugins
from entrepot.server.app import create_app

__all__ = ["CODES", "Answer", "Application", "Request", "problems"]

_PLUGINS = load_plugins()

CODES = frozenset(
    {
        "BLOB_UNKNOWN",
        "BLOB_UPLOAD_INVALID",
        "BLOB_UPLOAD_UNKNOWN",
        "DENIED",
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN",
        "NAME_INVALID",
        "NAME_UNKNOWN",
        "PAGINATION_NUMBER_INVALID",
        "RANGE_INVALID",
        "SIZE_INVALID",
        "TAG_INVALID",
        "TOOMANYREQUESTS",
        "UNAUTHORIZED",
        "UNSUPPORTED",
    }
)
"""The specification's error codes, with those that Distribution adds."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `path` as the server has decoded it, `pieces` as the body arrives.

    A body that is cut off has lost the client behind its last piece.
    """

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = ()
    cut_off: bool = False

    def scope(self) -> Scope:
        fields = [("host", "registry.test"), *self.headers]
        names = {name.lower() for name, _ in fields}
        if not names & {"content-length", "transfer-encoding"}:
            fields.append(("content-length", str(sum(map(len, self.pieces)))))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(errors="replace"),
            "query_string": self.query.encode("latin-1", "replace"),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in fields],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 5000),
        }

    def messages(self) -> Iterator[Message]:
        """What the server passes on: the body, then that the client left."""
        last = len(self.pieces) - 1
        for number, piece in enumerate(self.pieces or (b"",)):
            more = number < last or self.cut_off
            yield {"type": "http.request", "body": piece, "more_body": more}
        while True:
            yield {"type": "http.disconnect"}


@dataclass(slots=True)
class Answer:
    """What came back; status 0 if nothing did."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    finished: bool = False

    @property
    def location(self) -> tuple[str, str]:
        """The path and the query of the Location header."""
        parts = urlsplit(self.headers["location"])
        return parts.path, parts.query

    def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            assert not self.status, "an answer begins once"
            self.status = message["status"]
            for name, value in message["headers"]:
                self.headers[name.decode("latin-1")] = value.decode("latin-1")
        else:
            assert not self.finished, "an answer ends once"
            self.body += message.get("body", b"")
            self.finished = not message.get("more_body", False)


class Application:
    """A registry over a store of its own, on an event loop of its own, while in the context.

    It is configured by REGISTRY_* variables, named without that.
    """

    def __init__(self, **variables: str) -> None:
        environment = {"REGISTRY_STORAGE": "inmemory", "REGISTRY_STORAGE_DELETE_ENABLED": "true"}
        environment |= {f"REGISTRY_{name}": value for name, value in variables.items()}
        self._app: Starlette = create_app(load(None, environment).configuration, _PLUGINS)
        self._runner = asyncio.Runner()
        self._lifespan: AbstractAsyncContextManager[Any] = self._app.router.lifespan_context(
            self._app
        )

    def __enter__(self) -> Self:
        self._runner.run(self._lifespan.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()

    def ask(self, request: Request) -> Answer:
        return self._runner.run(self._ask(request))

    def ask_together(self, *requests: Request) -> list[Answer]:
        """Requests side by side, piece by piece in turn."""

        async def together() -> list[Answer]:
            return await asyncio.gather(*map(self._ask, requests))

        return self._runner.run(together())

    async def _ask(self, request: Request) -> Answer:
        answer = Answer()
        messages = request.messages()

        async def receive() -> Message:
            await asyncio.sleep(0)
            message = next(messages)
            if message["type"] == "http.disconnect" and not request.cut_off:
                await asyncio.Event().wait()  # this client waits for its answer
            return message

        async def send(message: Message) -> None:
            answer.take(message)

        await self._app(request.scope(), receive, send)
        return answer


def problems(request: Request, answer: Answer) -> list[str]:
    """What is wrong with an answer, whatever was asked."""
    found: list[str] = []
    if answer.status == 0 and request.cut_off:
        return found  # nobody is there to be answered
    if not 200 <= answer.status < 500:
        found.append(f"status {answer.status}")
    if not answer.finished:
        found.append("the answer does not end")
    if request.method == "HEAD" or answer.status == 304:
        return found  # no body, whatever its headers say of it
    length = answer.headers.get("content-length", str(len(answer.body)))
    if int(length) != len(answer.body):
        found.append(f"{len(answer.body)} bytes, not the {length} announced")
    ranged = request.method == "GET" and answer.status == 416  # says all in Content-Range
    if 400 <= answer.status < 500 and not ranged:
        found += _document_problems(answer)
    return found


def _document_problems(answer: Answer) -> list[str]:
    if answer.headers.get("content-type") != "application/json":
        return [f"an error of type {answer.headers.get('content-type')}"]
    try:
        errors = json.loads(answer.body)["errors"]
        wrong = [each for each in errors if each["code"] not in CODES or not each["message"]]
    except (ValueError, TypeError, KeyError) as error:
        return [f"no error document: {error!r}"]
    return [f"error of unknown code: {each}" for each in wrong] or ([] if errors else ["no error"])
