"""Blobs of one repository: what is linked in it, of the content all repositories share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from entrepot.core import hashing, layout
from entrepot.core.cache import ContentCache
from entrepot.core.collecting.keeping import Keeping
from entrepot.core.descriptors import Descriptors
from entrepot.core.driver import Driver
from entrepot.core.errors import (
    BlobUnknownError,
    DigestInvalidError,
    NotFoundError,
    UnavailableError,
)
from entrepot.core.links import read_link, write_link
from entrepot.core.listing import exists
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.streams import gather
from entrepot.core.threads import Threads


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that a repository holds.

    `stored` differs from `digest` where Distribution stored content pushed under another
    algorithm: it keeps the bytes under their sha256, and a link from the digest asked for.
    """

    digest: Digest
    stored: Digest
    size: int  # bytes
    content: bytes | None  # of a small one that is at hand
    is_proven: bool = True  # whether its size comes from the store, and not from a shared cache


class Blobs:
    def __init__(
        self,
        driver: Driver,
        name: RepositoryName,
        cache: ContentCache[bytes],
        known: Descriptors,
        keeping: Keeping,
        threads: Threads,
    ) -> None:
        self._driver = driver
        self._name = name
        self._cache = cache
        self._known = known
        self._keeping = keeping
        self._threads = threads

    async def find(self, digest: Digest) -> Blob:
        """The blob as the store has it now: both its link and its bytes are looked for.

        So it is answered whether a push may skip it.

        Raises BlobUnknownError: also if it is garbage that is about to be deleted.
        """
        stored = await self._stored(digest)
        found = await self._existing(digest, stored)
        if await self._keeping.is_condemned(digest, stored):
            raise _unknown(self._name, digest)
        return found

    async def look(self, digest: Digest) -> Blob:
        """The blob to be sent, before any of it is read: its link and its bytes are looked for,
        unless they were seen a short time ago or the bytes are in memory.

        Raises BlobUnknownError.
        """
        key = layout.layer_link(self._name, digest)
        stored = self._known.link(key)
        if stored is None:
            drops = self._known.drops
            stored = await self._stored(digest)
            self._known.keep_link(key, stored, drops)
        content = self._cache.get(stored.hex)
        if content is not None:
            return Blob(digest, stored, len(content), content)
        size = self._known.size(stored)
        if size is not None:
            return Blob(digest, stored, size, None)
        shared = await self._known.shared_size(stored)
        if shared is not None:
            return Blob(digest, stored, shared, None, is_proven=False)
        return await self._existing(digest, stored)

    async def prove(self, blob: Blob) -> Blob:
        """The same blob, with the size that the store says.

        Raises BlobUnknownError.
        """
        return blob if blob.is_proven else await self._existing(blob.digest, blob.stored)

    async def load(self, blob: Blob) -> Blob:
        """The same blob, with the content of a small one.

        Raises BlobUnknownError: if it was deleted meanwhile.
        """
        if blob.content is not None or blob.size > self._cache.largest:
            return blob
        key = layout.blob(blob.stored)
        try:
            content = await gather(self._driver, key, self._cache.largest)
        except NotFoundError:
            raise self._gone(blob.digest, blob.stored) from None
        except UnavailableError:
            if blob.is_proven:
                raise
            return await self.load(await self.prove(blob))  # it may be larger than was said
        self._cache.put(blob.stored.hex, content, len(content))
        self._known.keep_size(blob.stored, len(content))
        return Blob(blob.digest, blob.stored, len(content), content)

    async def get(self, digest: Digest) -> Blob:
        """The blob to be streamed, with its content if it is small.

        Raises BlobUnknownError.
        """
        return await self.load(await self.look(digest))

    async def read(self, blob: Blob, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Stream bytes [start, stop); all of a blob that is not proven.

        Raises BlobUnknownError: if it was deleted; UnavailableError: if it is not as large.
        """
        key, left = layout.blob(blob.stored), stop - start
        asked = stop if blob.is_proven else stop + 1
        try:
            async with aclosing(self._driver.read(key, start, asked)) as chunks:
                async for chunk in chunks:
                    left -= len(chunk)
                    if left < 0:
                        break
                    yield chunk
        except NotFoundError:
            raise self._gone(blob.digest, blob.stored) from None
        if left:
            self._known.drop_size(blob.stored)
            raise UnavailableError(key, f"{blob.size} bytes were expected of it")

    async def has(self, digest: Digest) -> bool:
        try:
            await self.find(digest)
        except BlobUnknownError:
            return False
        return True

    async def put(self, digest: Digest, chunks: AsyncIterator[bytes]) -> int:
        """Store a stream that must have this digest, straight under its key, and link it.

        Gives its size in bytes.

        Raises DigestInvalidError: and stores nothing, if it has another.
        """

        async def write() -> int:
            async with aclosing(self._verified(chunks, digest)) as verified:
                return (await self._driver.write(layout.blob(digest), verified)).size

        return await self.receive(digest, write)

    async def receive(self, digest: Digest, write: Callable[[], Awaitable[int]]) -> int:
        """Have `write` put a blob's bytes in their place, then link them; gives their size.

        Raises UnavailableError: if they were deleted as garbage meanwhile, and are to be pushed
        again.
        """
        size: int | None = None

        async def work() -> int:
            nonlocal size
            if size is None:
                size = await write()
            elif not await exists(self._driver, layout.blob(digest)):
                reason = "it was deleted as garbage while it was pushed: push it again"
                raise UnavailableError(layout.blob(digest), reason)
            await self.link(digest)
            return size

        return await self._keeping.receive(digest, digest, work)

    async def link(self, digest: Digest, stored: Digest | None = None) -> None:
        await write_link(self._driver, layout.layer_link(self._name, digest), stored or digest)

    async def mount(self, digest: Digest, source: RepositoryName | None) -> Blob | None:
        """Link a blob of another repository, or with None of any; None if it is not there."""
        stored: Digest | None = digest
        if source is not None:
            stored = await read_link(self._driver, layout.layer_link(source, digest))
        if stored is None:
            return None
        return await self._keeping.receive(digest, stored, partial(self._mount, digest, stored))

    async def _mount(self, digest: Digest, stored: Digest) -> Blob | None:
        try:
            entry = await self._driver.stat(layout.blob(stored))
        except NotFoundError:
            return None
        await self.link(digest, stored)
        return Blob(digest, stored, entry.size, None)

    async def delete(self, digest: Digest) -> None:
        """Remove the repository's link; the bytes are left to garbage collection.

        Raises BlobUnknownError.
        """
        await self._stored(digest)
        key = layout.layer_link(self._name, digest)
        self._known.drop_link(key)
        try:
            await self._driver.delete([key])
        finally:
            self._known.drop_link(key)

    async def _existing(self, digest: Digest, stored: Digest) -> Blob:
        try:
            entry = await self._driver.stat(layout.blob(stored))
        except NotFoundError:
            raise self._gone(digest, stored) from None
        self._known.keep_size(stored, entry.size)
        return Blob(digest, stored, entry.size, None)

    async def _stored(self, digest: Digest) -> Digest:
        key = layout.layer_link(self._name, digest)
        stored = await read_link(self._driver, key)
        if stored is None:
            self._known.drop_link(key)
            raise _unknown(self._name, digest)
        return stored

    def _gone(self, digest: Digest, stored: Digest) -> BlobUnknownError:
        """The bytes are not there: nothing is remembered of them any more."""
        self._known.drop_link(layout.layer_link(self._name, digest))
        self._known.drop_size(stored)
        return _unknown(self._name, digest)

    async def _verified(
        self, chunks: AsyncIterator[bytes], digest: Digest
    ) -> AsyncGenerator[bytes, None]:
        running = hashing.begin(digest.algorithm)
        async with aclosing(hashing.hashed(chunks, running, self._threads)) as hashed:
            async for chunk in hashed:
                yield chunk
        check(running.digest(), digest)


def check(found: Digest, wanted: Digest) -> None:
    """Raises DigestInvalidError: if they differ."""
    if not found.matches(wanted):
        raise DigestInvalidError(
            f"the uploaded content has digest {found}, not {wanted}",
            detail={"digest": str(found), "expected": str(wanted)},
        )


def _unknown(name: RepositoryName, digest: Digest) -> BlobUnknownError:
    return BlobUnknownError(
        f"blob unknown to repository {name}", detail={"name": name.text, "digest": str(digest)}
    )
