"""A copy on its way: read from the store at its own pace, and followed by who wants it now."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from entrepot.core import Driver
from entrepot.core.names import Digest
from entrepot.core.threads import Call
from entrepot.drivers.filesystem.files import write_all
from entrepot.drivers.filesystem.pumping import Batches
from entrepot.drivers.filesystem.threads import PacedThreads
from entrepot.drivers.readcache.folder import Folder, NewCopy
from entrepot.drivers.readcache.reading import Left, read_piece


class WrongContentError(Exception):
    """What the store gives under a blob's key is not that blob."""


class Fill:
    """One blob on its way from the store into the folder.

    It is nobody's reader: a client that is slow or leaves neither slows nor ends it. What is
    `visible` may be read; the last batch becomes so only when the digest is right.
    """

    def __init__(self, key: str, digest: Digest, folder: Folder, threads: PacedThreads) -> None:
        self.visible = 0  # bytes from the start
        self.unwanted = False  # deleted meanwhile
        self.error: Exception | None = None  # why there is no copy
        self._key = key
        self._digest = digest
        self._folder = folder
        self._threads = threads
        self._new: NewCopy | None = None
        self._ended = False
        self._progress = asyncio.Event()

    async def run(self, driver: Driver, size: int | None, largest: int) -> None:
        """Fill and publish. What fails is kept in `error`; cancelled, it leaves nothing.

        `size` is the blob's if it is known; more than `largest` bytes are not copied.
        """
        try:
            if size is None:
                size = (await driver.stat(self._key)).size
            if 0 < size <= largest:
                await self._run(driver, size)
        except Exception as error:  # whatever a driver raises: readers ask it themselves
            self.error = error
        finally:
            self._ended = True
            self._show(self.visible)

    async def follow(self, left: Left) -> AsyncGenerator[bytes, None]:
        """What is left, as it comes; it ends early if the fill does. Takes off nothing."""
        await self._reach(0)
        new = self._new
        if new is None:
            return
        descriptor = os.dup(new.descriptor)  # stays, whatever becomes of the fill
        try:
            at, stop = left.start, left.settle(new.size)
            while at < stop:
                visible = min(stop, await self._reach(at))
                if visible <= at:
                    return
                content = await read_piece(self._threads, descriptor, at, visible)
                at += len(content)
                yield content
        finally:
            os.close(descriptor)

    async def _reach(self, position: int) -> int:
        """How far can be read: past `position`, unless the fill ends before."""
        while self.visible <= position and not self._ended:
            await self._progress.wait()
        return self.visible

    async def _run(self, driver: Driver, size: int) -> None:
        begin = partial(self._folder.begin, self._digest, size)
        new = self._new = await self._threads.obtain(self._discard, begin)
        if new is None:
            return
        published = False
        try:
            await self._fill(driver, new)
            self._show(size)
            await self._threads.run(self._folder.publish, new)
            published = True
        finally:
            self._new = None  # its descriptor will be another file's
            if published:
                os.close(new.descriptor)
            else:
                await self._threads.run(self._discard, new)
        if self.unwanted:
            await self._threads.run(self._folder.remove, self._digest)

    async def _fill(self, driver: Driver, new: NewCopy) -> None:
        hashing = hashlib.new(self._digest.algorithm)

        def take(batch: list[bytes]) -> None:
            write_all(new.descriptor, batch)
            for chunk in batch:
                hashing.update(chunk)

        held = 0  # bytes, with those being written
        writing: Call[None] | None = None
        try:
            async with aclosing(driver.read(self._key)) as chunks:
                batches = Batches(chunks)
                while batch := await batches.take():
                    if writing is not None:
                        await writing
                        writing = None
                        self._show(held)
                    held += sum(map(len, batch))
                    if held > new.size:
                        raise WrongContentError(f"the store gives more than {new.size} bytes")
                    writing = self._threads.start(take, batch)
        finally:
            if writing is not None:
                await writing
        found = hashing.hexdigest()
        if held != new.size or found != self._digest.hex:
            raise WrongContentError(f"the store gives {held} bytes with digest {found}")

    def _show(self, visible: int) -> None:
        self.visible = visible
        self._progress.set()
        self._progress = asyncio.Event()

    def _discard(self, new: NewCopy | None) -> None:
        if new is not None:
            self._folder.discard(new)
