"""One object from a store into another, verified by its digest while it streams."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from entrepot.core import hashing, layout
from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError, RegistryError
from entrepot.core.migrating.pacing import Pace
from entrepot.core.names import Digest
from entrepot.core.streams import drain
from entrepot.core.threads import Threads


class DamagedError(RegistryError):
    """A blob whose bytes are not what its digest says."""

    def __init__(self, found: Digest, wanted: Digest, size: int) -> None:
        super().__init__(f"blob {wanted} is damaged: its {size} bytes have the digest {found}")


class _GoneError(Exception):
    """The source has no such object, which the target must not be thought to have said."""


def _ignore(_: int) -> None:
    return


class Copier:
    """Streams objects in constant memory. `told` hears of bytes as they pass."""

    def __init__(
        self,
        source: Driver,
        target: Driver,
        threads: Threads,
        pace: Pace | None = None,
        told: Callable[[int], None] = _ignore,
    ) -> None:
        self._source = source
        self._target = target
        self._threads = threads
        self._pace = pace or Pace(0)
        self._told = told

    async def copy(self, key: str) -> str | None:
        """Write the source's object to the target; gives its `fingerprint`, None if there is none.

        Raises DamagedError: and writes nothing, if it is a blob with another digest; StorageError.
        """
        digest = layout.digest_of_blob(key)
        stream = _Summed() if digest is None else _Verified(digest, self._threads)
        try:
            async with (
                aclosing(self._read(self._source, key)) as chunks,
                aclosing(stream.through(chunks)) as checked,
            ):
                await self._target.write(key, checked)
        except _GoneError:
            return None
        return stream.fingerprint

    async def is_sound(self, digest: Digest) -> bool:
        """Whether the target's blob has this digest; costs reading it."""
        try:
            async with (
                aclosing(self._read(self._target, layout.blob(digest))) as chunks,
                aclosing(_Verified(digest, self._threads).through(chunks)) as checked,
            ):
                await drain(checked)
        except (_GoneError, DamagedError):
            return False
        return True

    async def _read(self, driver: Driver, key: str) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(driver.read(key)) as chunks:
                async for chunk in chunks:
                    await self._pace.spend(len(chunk))
                    self._told(len(chunk))
                    yield chunk
        except NotFoundError as error:
            raise _GoneError from error


class _Summed:
    """Content that may be anything; its fingerprint is a hash."""

    def __init__(self) -> None:
        self._hashing = hashlib.sha256()

    @property
    def fingerprint(self) -> str:
        return self._hashing.hexdigest()

    async def through(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in chunks:
            self._hashing.update(chunk)
            yield chunk


class _Verified:
    """Content that must have a digest; its fingerprint is its size."""

    def __init__(self, digest: Digest, threads: Threads) -> None:
        self._digest = digest
        self._threads = threads
        self._running = hashing.begin(digest.algorithm)

    @property
    def fingerprint(self) -> str:
        return str(self._running.length)

    async def through(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async with aclosing(hashing.hashed(chunks, self._running, self._threads)) as hashed:
            async for chunk in hashed:
                yield chunk
        found = self._running.digest()
        if not found.matches(self._digest):
            raise DamagedError(found, self._digest, self._running.length)
