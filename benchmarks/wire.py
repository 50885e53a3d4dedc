"""HTTP/1.1 as cheaply as Python can speak it: one blocking socket, no copies that can be spared."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from benchmarks.failures import BenchmarkError

__all__ = ["Address", "Answer", "Connection", "request_head"]

Address = tuple[str, int]

_PATIENCE = 300  # seconds; a server silent for longer has failed
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer, and as much of its body as came with it."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes

    @property
    def length(self) -> int:
        """Bytes of the body."""
        if "content-length" not in self.headers:
            raise BenchmarkError(f"an answer has no Content-Length: {dict(self.headers)}")
        return int(self.headers["content-length"])

    @property
    def location(self) -> str:
        """Path and query of the Location."""
        parts = urlsplit(self.headers.get("location", ""))
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


def request_head(address: Address, method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """A request up to its body."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {address[0]}:{address[1]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


class Connection:
    """A connection to a server that is kept alive; close it, or use it as a context."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel's own time limits leave the descriptor blocking, as sendfile needs it.
        limit = struct.pack("ll", _PATIENCE, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self.buffer = memoryview(bytearray(_BUFFER))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def begin(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Send the head of a request; its body is up to the caller."""
        self.socket.sendall(request_head(self.address, method, path, headers))

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a whole request; the answer with its whole body."""
        length = {"Content-Length": str(len(body))} if body or method in {"POST", "PUT"} else {}
        self.begin(method, path, length | dict(headers or {}))
        if body:
            self.socket.sendall(body)
        return self.answer(bodiless=method == "HEAD")

    def answer(self, *, bodiless: bool = False) -> Answer:
        """The next answer with its whole body."""
        answer = self.head()
        if bodiless or answer.status == 204:
            return answer
        body = bytearray(answer.body)
        while len(body) < answer.length:
            body += self.receive()
        return Answer(answer.status, answer.headers, bytes(body))

    def head(self) -> Answer:
        """The next answer up to the head's end; the rest of the body is still to come."""
        data = bytearray()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.receive()
        status, *lines = data[:end].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return Answer(int(status.split()[1]), headers, bytes(data[end + 4 :]))

    def receive(self) -> memoryview:
        """What has arrived, in a buffer that the next call uses again."""
        size = self.socket.recv_into(self.buffer)
        if not size:
            raise BenchmarkError("the server closed the connection")
        return self.buffer[:size]
