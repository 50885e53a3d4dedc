"""The driver around a remote one: blobs come from a local disk once they were read."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Literal

from entrepot.core import Driver, Entry, NotFoundError, WrappingDriver
from entrepot.core.cache import ContentCache
from entrepot.core.names import Digest
from entrepot.drivers.filesystem.threads import PacedThreads
from entrepot.drivers.readcache.fills import Fill
from entrepot.drivers.readcache.folder import Copy, Folder
from entrepot.drivers.readcache.reading import Left, read_piece

_LOG = logging.getLogger(__name__)
_BLOB = re.compile(r"docker/registry/v2/blobs/(sha256|sha384|sha512)/(..)/(\2[0-9a-f]+)/data")
_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_FILLS = 8  # at a time; what is read beyond is passed through
_SIZES = 10_000  # blobs whose size is remembered
_REST = 30.0  # seconds without a new fill after the disk failed


@dataclass(slots=True)
class Counts:
    """What the cache did since it was opened."""

    hits: int = 0  # reads from a copy
    followed: int = 0  # reads of a copy on its way
    passed: int = 0  # reads of blobs from the store, also of what was left of the others
    fills: int = 0  # copies begun
    failed: int = 0  # copies that came to nothing
    bytes: int = 0  # given from copies, whole or on their way


def blob_of(key: str) -> Digest | None:
    """The digest of the bytes under a key; None for what may change."""
    match = _BLOB.fullmatch(key)
    if match is None or len(match[3]) != _LENGTHS[match[1]]:
        return None
    return Digest(match[1], match[3])


class CachingDriver(WrappingDriver):
    """Any driver; the bytes of blobs, which never change, are kept in `folder`.

    Whether an object exists is asked of the driver within, always. `largest` is the size in
    bytes of what is kept. The disk failing, or being full, fails no request. `close` it.
    """

    def __init__(
        self,
        driver: Driver,
        folder: Folder,
        threads: PacedThreads,
        largest: int,
        *,
        redirect: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(driver)
        self.counts = Counts()
        self.folder = folder
        self._threads = threads
        self._largest = largest
        self._redirect = redirect
        self._clock = clock
        self._rests_until = clock()
        self._sizes = ContentCache[int](_SIZES, 1)
        self._fills: dict[Digest, Fill] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def settled(self) -> None:
        """Wait until no copy is on its way."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """End all fills; what was not whole is removed."""
        for task in self._tasks:
            task.cancel()
        await self.settled()

    async def stat(self, key: str) -> Entry:
        entry = await super().stat(key)
        digest = blob_of(key)
        if digest is not None:
            self._sizes.put(digest.hex, entry.size, 1)
        return entry

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Bytes from the disk as far as it has them, and the rest from the store."""
        digest = blob_of(key)
        if digest is not None:
            left = Left(start, stop)
            async with aclosing(self._kept(key, digest, left)) as chunks:
                async for chunk in chunks:
                    left.start += len(chunk)
                    self.counts.bytes += len(chunk)
                    yield chunk
            if left.is_nothing:
                return
            self.counts.passed += 1
            start = left.start
        async with aclosing(self.driver.read(key, start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def delete(self, keys: Sequence[str]) -> None:
        try:
            await super().delete(keys)
        finally:
            digests = [digest for digest in map(blob_of, keys) if digest is not None]
            for digest in digests:
                self._sizes.drop(digest.hex)
                if digest in self._fills:
                    self._fills[digest].unwanted = True
            if digests:
                await self._threads.run(self._forget, digests)

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        """None for what is kept here, unless clients may be sent past it."""
        digest = blob_of(key)
        if digest is not None and not self._redirect:
            size = self._sizes.get(digest.hex)
            if size is None or size <= self._largest:
                return None
        return await super().link(key, method, seconds)

    def local_path(self, key: str) -> str | None:
        digest = blob_of(key)
        if digest is not None:
            with suppress(OSError):
                found = self.folder.find(digest)
                if found is not None:
                    return found
        return super().local_path(key)

    # -- what is on the disk ------------------------------------------------------------

    async def _kept(self, key: str, digest: Digest, left: Left) -> AsyncGenerator[bytes, None]:
        """What is left to be read, as far as there is a copy, or one on its way."""
        try:
            copy = await self._threads.quick(
                _close, self.folder.open, digest, self._sizes.get(digest.hex)
            )
            if copy is not None:
                self.counts.hits += 1
                chunks = self._from_copy(copy, left)
            elif (fill := self._fill_for(key, digest, left)) is not None:
                self.counts.followed += 1
                chunks = fill.follow(left)
            else:
                return
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
        except OSError as error:  # the store is asked for the rest
            self._rest(error)

    async def _from_copy(self, copy: Copy, left: Left) -> AsyncGenerator[bytes, None]:
        try:
            at, stop = left.start, left.settle(copy.size)
            while at < stop:
                content = await read_piece(self._threads, copy.descriptor, at, stop)
                at += len(content)
                yield content
        finally:
            copy.close()

    def _forget(self, digests: Sequence[Digest]) -> None:
        for digest in digests:
            try:
                self.folder.remove(digest)
            except OSError as error:
                _LOG.warning("a copy in %s was not removed: %s", self.folder.root, error)

    def _rest(self, error: OSError) -> None:
        """Begin no more fills for a while."""
        if self._clock() >= self._rests_until:
            _LOG.warning("nothing new is kept in %s for a while: %s", self.folder.root, error)
        self._rests_until = self._clock() + _REST

    # -- fills --------------------------------------------------------------------------

    def _fill_for(self, key: str, digest: Digest, left: Left) -> Fill | None:
        """A fill that has, or will soon have, what is left to be read.

        One begins only for a reader of the whole blob: a client that asks for one byte must
        not have gigabytes fetched.
        """
        fill = self._fills.get(digest)
        if fill is not None:
            return fill if left.start <= fill.visible else None
        size = self._sizes.get(digest.hex)
        whole = left.start == 0 and (left.stop is None or (size is not None and left.stop >= size))
        fits = size is None or 0 < size <= self._largest
        rests = len(self._fills) >= _FILLS or self._clock() < self._rests_until
        if not whole or not fits or rests:
            return None
        fill = self._fills[digest] = Fill(key, digest, self.folder, self._threads)
        task = asyncio.create_task(self._run(key, fill, digest, size))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return fill

    async def _run(self, key: str, fill: Fill, digest: Digest, size: int | None) -> None:
        self.counts.fills += 1
        try:
            await fill.run(self.driver, size, self._largest)
        finally:
            del self._fills[digest]
        if isinstance(fill.error, OSError):
            self._rest(fill.error)
        elif fill.error is not None and not isinstance(fill.error, NotFoundError):
            _LOG.warning("%s is not kept: %s", key, fill.error)
        self.counts.failed += fill.error is not None


def _close(copy: Copy | None) -> None:
    if copy is not None:
        copy.close()
