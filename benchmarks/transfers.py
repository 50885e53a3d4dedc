"""Pushing and pulling a blob, in the ways that real clients do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from benchmarks.content import Blob
from benchmarks.failures import BenchmarkError
from benchmarks.wire import Answer, Connection

__all__ = ["STYLES", "Push", "pull", "push_chunked", "push_patch", "push_put"]

Push = Callable[[Connection, str, Blob], None]

_BINARY = {"Content-Type": "application/octet-stream"}
_FRAME = 32 * 1024  # bytes; what Go's io.Copy sends at a time
_FRAMES = 8
_EDGE = len(f"{_FRAME:x}\r\n")


def push_patch(connection: Connection, repository: str, blob: Blob) -> None:
    """POST, PATCH with the whole body and its length, PUT without a body."""
    location = _begin(connection, repository)
    connection.begin("PATCH", location, {"Content-Length": str(blob.size)} | _BINARY)
    _send(connection, blob)
    _commit(connection, _expect(connection.answer(), 202).location, blob)


def push_put(connection: Connection, repository: str, blob: Blob) -> None:
    """POST, PUT with the whole body and its length."""
    location = _with_digest(_begin(connection, repository), blob)
    connection.begin("PUT", location, {"Content-Length": str(blob.size)} | _BINARY)
    _send(connection, blob)
    _expect(connection.answer(), 201)


def push_chunked(connection: Connection, repository: str, blob: Blob) -> None:
    """POST, PATCH with the body in frames of 32 KiB as docker sends it, PUT without a body."""
    location = _begin(connection, repository)
    connection.begin("PATCH", location, {"Transfer-Encoding": "chunked"} | _BINARY)
    _send_frames(connection, blob)
    _commit(connection, _expect(connection.answer(), 202).location, blob)


STYLES: dict[str, Push] = {
    "PATCH whole": push_patch,
    "PUT whole": push_put,
    "PATCH chunked": push_chunked,
}


def pull(connection: Connection, repository: str, blob: Blob) -> None:
    """GET; every byte is received and counted, the last ones are compared."""
    connection.begin("GET", f"/v2/{repository}/blobs/{blob.digest}", {})
    answer = _expect(connection.head(), 200)
    size, last = len(answer.body), memoryview(answer.body)
    while size < blob.size:
        last = connection.receive()
        size += len(last)
    if size != blob.size or not blob.tail.endswith(bytes(last[-len(blob.tail) :])):
        raise BenchmarkError(f"a pull gave {size} bytes that are not those of {blob.digest}")


def _begin(connection: Connection, repository: str) -> str:
    return _expect(connection.ask("POST", f"/v2/{repository}/blobs/uploads/"), 202).location


def _commit(connection: Connection, location: str, blob: Blob) -> None:
    _expect(connection.ask("PUT", _with_digest(location, blob)), 201)


def _with_digest(location: str, blob: Blob) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={blob.digest}"


def _expect(answer: Answer, status: int) -> Answer:
    if answer.status != status:
        said = answer.body[:500].decode(errors="replace")
        raise BenchmarkError(f"{answer.status} where {status} was due: {said}")
    return answer


def _send(connection: Connection, blob: Blob) -> None:
    source = os.open(blob.file, os.O_RDONLY)
    try:
        sent = 0
        while sent < blob.shared:
            sent += os.sendfile(connection.socket.fileno(), source, sent, blob.shared - sent)
    finally:
        os.close(source)
    connection.socket.sendall(blob.tail)


def _send_frames(connection: Connection, blob: Blob) -> None:
    """Read the file into a buffer whose frame edges are already there, and send that."""
    step = _EDGE + _FRAME + 2
    frames = bytearray(b"".join(_frame(bytes(_FRAME)) for _ in range(_FRAMES)))
    view = memoryview(frames)
    slots = [view[at + _EDGE : at + _EDGE + _FRAME] for at in range(0, len(frames), step)]
    whole = blob.shared - blob.shared % (_FRAME * _FRAMES)
    source = os.open(blob.file, os.O_RDONLY)
    try:
        for start in range(0, whole, _FRAME * _FRAMES):
            if os.preadv(source, slots, start) != _FRAME * _FRAMES:
                raise BenchmarkError(f"{Path(blob.file).name} is shorter than it was")
            connection.socket.sendall(frames)
        rest = os.pread(source, blob.shared - whole, whole) + blob.tail
    finally:
        os.close(source)
    for start in range(0, len(rest), _FRAME):
        connection.socket.sendall(_frame(rest[start : start + _FRAME]))
    connection.socket.sendall(b"0\r\n\r\n")


def _frame(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
