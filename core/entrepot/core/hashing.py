"""SHA-2 over streams: off the event loop, and with a state that another process continues.

A saved state has the form that Go's crypto packages use, which is what Distribution keeps
beside an upload, so either registry continues the other's hash.
"""

from __future__ import annotations

import hashlib
import importlib
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from entrepot.core.names import Digest
from entrepot.core.threads import Call, Threads

try:
    rehashes: Any = importlib.import_module("rehashes")  # it has no type information
except ImportError:  # and wheels for Linux only
    rehashes = None

INLINE = 64 * 1024  # bytes; hashing less costs less than a hop to a thread


@dataclass(frozen=True, slots=True)
class _Form:
    """How Go and rehashes write the same state: eight words, a count, an unfinished block."""

    magic: bytes
    word: str  # struct letter
    block: int  # bytes
    count: int  # bytes of rehashes' count of whole blocks
    digest: int  # bytes of the digest; SHA-384 is a SHA-512 with other first words, cut

    def to_go(self, state: bytes, length: int) -> bytes:
        words = self._swap(state, "<", ">")
        at = 8 * struct.calcsize(self.word) + self.count + 1
        held = state[at : at + length % self.block]
        return self.magic + words + held.ljust(self.block, b"\0") + struct.pack(">Q", length)

    def from_go(self, saved: bytes, length: int) -> bytes | None:
        words_end = len(self.magic) + 8 * struct.calcsize(self.word)
        if len(saved) != words_end + self.block + 8 or not saved.startswith(self.magic):
            return None
        if struct.unpack(">Q", saved[-8:])[0] != length:
            return None
        held = saved[words_end : words_end + length % self.block]
        blocks = (length // self.block).to_bytes(self.count, "little")
        words = self._swap(saved[len(self.magic) : words_end], ">", "<")
        return words + blocks + bytes([len(held)]) + held.ljust(self.block - 1, b"\0")

    def _swap(self, data: bytes, source: str, target: str) -> bytes:
        words = struct.unpack_from(f"{source}8{self.word}", data)
        return struct.pack(f"{target}8{self.word}", *words)


_FORMS = {
    "sha256": _Form(b"sha\x03", "I", 64, 8, 32),
    "sha384": _Form(b"sha\x04", "Q", 128, 16, 48),
    "sha512": _Form(b"sha\x07", "Q", 128, 16, 64),
}
_SHA384_WORDS = (  # FIPS 180-4, 5.3.4
    0xCBBB9D5DC1059ED8,
    0x629A292A367CD507,
    0x9159015A3070DD17,
    0x152FECD8F70E5939,
    0x67332667FFC00B31,
    0x8EB44A8768581511,
    0xDB0C2E0D64F98FA7,
    0x47B5481DBEFA4FA4,
)


class RunningHash(Protocol):
    """The hash of the first `length` bytes of a stream."""

    algorithm: str
    length: int

    def update(self, chunk: bytes) -> None:
        """Blocks while it computes, without the interpreter's lock."""

    def digest(self) -> Digest: ...

    def state(self) -> bytes | None:
        """What `resume` continues from; None where this platform cannot save it."""


class _SavableHash:
    def __init__(self, algorithm: str, inner: Any, length: int) -> None:
        self.algorithm = algorithm
        self.length = length
        self._inner: Any = inner

    def update(self, chunk: bytes) -> None:
        self._inner.update(chunk)
        self.length += len(chunk)

    def digest(self) -> Digest:
        copy: Any = self._inner.deserialize(self._inner.serialize())
        return Digest(self.algorithm, copy.finalize()[: 2 * _FORMS[self.algorithm].digest])

    def state(self) -> bytes | None:
        return _FORMS[self.algorithm].to_go(self._inner.serialize(), self.length)


class _PlainHash:
    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.length = 0
        self._inner = hashlib.new(algorithm)

    def update(self, chunk: bytes) -> None:
        self._inner.update(chunk)
        self.length += len(chunk)

    def digest(self) -> Digest:
        return Digest(self.algorithm, self._inner.hexdigest())

    def state(self) -> bytes | None:
        return None


def begin(algorithm: str) -> RunningHash:
    """The hash of nothing, yet."""
    if rehashes is None:
        return _PlainHash(algorithm)
    if algorithm == "sha256":
        return _SavableHash(algorithm, rehashes.PySha256(), 0)
    if algorithm == "sha512":
        return _SavableHash(algorithm, rehashes.PySha512(), 0)
    first = struct.pack("<8Q", *_SHA384_WORDS) + bytes(16 + 1 + 127)
    return _SavableHash(algorithm, rehashes.PySha512.deserialize(first), 0)


def resume(algorithm: str, saved: bytes, length: int) -> RunningHash | None:
    """The hash that was saved after `length` bytes; None if `saved` is not that."""
    if rehashes is None:
        return None
    state = _FORMS[algorithm].from_go(saved, length)
    if state is None:
        return None
    kind: Any = rehashes.PySha256 if algorithm == "sha256" else rehashes.PySha512
    return _SavableHash(algorithm, kind.deserialize(state), length)


async def hashed(
    chunks: AsyncIterator[bytes], running: RunningHash, threads: Threads
) -> AsyncGenerator[bytes, None]:
    """Pass chunks on while a thread adds them to the hash, one chunk at a time, in order.

    When the stream ends, raises or is closed, no thread touches `running` any more.
    """
    busy: Call[None] | None = None
    try:
        async for chunk in chunks:
            if busy is not None:
                await busy
                busy = None
            if len(chunk) <= INLINE:
                running.update(chunk)
            else:
                busy = threads.start(running.update, chunk)
            yield chunk
    finally:
        if busy is not None:
            await busy
