"""Repairs: only what can be derived, or what another registry has. Nothing is deleted here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from entrepot.core import hashing, layout
from entrepot.core.links import write_link
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.scrubbing.contents import Contents
from entrepot.core.scrubbing.sources import Source, SourceError

Mend = Callable[[], Awaitable[object]]


class Mending:
    """How what is wrong could be mended, as functions to be called if that is wanted."""

    def __init__(self, contents: Contents, source: Source | None = None) -> None:
        self._contents = contents
        self._source = source

    def link(self, key: str, digest: Digest) -> Mend:
        """Write a link; atomic."""
        return lambda: write_link(self._contents.driver, key, digest)

    def blob(
        self, name: RepositoryName | None, digest: Digest, then: Mend | None = None
    ) -> Mend | None:
        """Fetch a blob and put it in place, whole and verified; None: nothing could give it."""
        source = self._source
        if source is None or (name is None and source.needs_repository):
            return None
        return lambda: self._fetch(source.blob(name, digest), digest, then)

    def manifest(
        self, name: RepositoryName, digest: Digest, then: Mend | None = None
    ) -> Mend | None:
        """The same of a manifest."""
        source = self._source
        if source is None:
            return None
        return lambda: self._fetch(source.manifest(name, digest), digest, then)

    async def _fetch(
        self, chunks: AsyncGenerator[bytes, None], digest: Digest, then: Mend | None
    ) -> None:
        async with (
            aclosing(chunks),
            aclosing(self._contents.pace.kept(chunks)) as kept,
            aclosing(self._verified(kept, digest)) as verified,
        ):
            await self._contents.driver.write(layout.blob(digest), verified)
        self._contents.note(digest, whole=True)
        if then is not None:
            await then()

    async def _verified(
        self, chunks: AsyncIterator[bytes], digest: Digest
    ) -> AsyncGenerator[bytes, None]:
        """The stream; it ends with an error, so that nothing is stored, if its digest is wrong."""
        running = hashing.begin(digest.algorithm)
        async with aclosing(hashing.hashed(chunks, running, self._contents.threads)) as hashed:
            async for chunk in hashed:
                yield chunk
        if running.digest() != digest:
            raise SourceError(f"the source has bytes with the digest {running.digest()}")
