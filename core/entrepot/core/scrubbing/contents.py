"""The bytes of a store: whether they are what their digest says."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import aclosing

from entrepot.core import hashing, layout, manifest
from entrepot.core.driver import Driver
from entrepot.core.errors import DigestInvalidError, ManifestInvalidError, NotFoundError
from entrepot.core.names import Digest
from entrepot.core.scrubbing.pace import Pace
from entrepot.core.streams import beginning
from entrepot.core.threads import Threads

_KNOWN = 65_536  # sizes that are kept
_VERDICTS = 1024  # blobs that were hashed because of their size
_DAMAGED = 10_000  # blobs that repositories are searched for
_LINK = 256  # bytes; a link has 135 at most


class DamagedError(Exception):
    """Bytes that have another digest; the text says which."""


class TooLargeError(Exception):
    """More bytes than a manifest has."""


class Contents:
    """What a run knows of the bytes; that something is missing is never remembered.

    `damaged` are blobs known to be so, ten thousand at most.
    """

    def __init__(self, driver: Driver, threads: Threads, pace: Pace) -> None:
        self.driver = driver
        self.threads = threads
        self.pace = pace
        self.damaged: dict[Digest, None] = {}
        self._sizes: OrderedDict[Digest, int] = OrderedDict()
        self._verdicts: OrderedDict[tuple[Digest, int], bool] = OrderedDict()

    async def hash(
        self, key: str, algorithm: str, passed: Callable[[int], None] = lambda _: None
    ) -> tuple[Digest, int]:
        """The digest of an object and its size; `passed` hears of the bytes. Reads all of it.

        Raises NotFoundError.
        """
        running = hashing.begin(algorithm)
        async with (
            aclosing(self.driver.read(key)) as chunks,
            aclosing(self.pace.kept(chunks)) as kept,
            aclosing(hashing.hashed(kept, running, self.threads)) as hashed,
        ):
            async for chunk in hashed:
                passed(len(chunk))
        return running.digest(), running.length

    def note(self, digest: Digest, *, whole: bool) -> None:
        """Keep in mind whether a blob is whole."""
        if whole:
            self.damaged.pop(digest, None)
        elif len(self.damaged) < _DAMAGED:
            self.damaged[digest] = None
        self._sizes.pop(digest, None)

    async def is_whole(self, digest: Digest, size: int) -> bool:
        """Whether a blob of this size has its digest; remembered of that size.

        Raises NotFoundError.
        """
        known = self._verdicts.get((digest, size))
        if known is None:
            found, _ = await self.hash(layout.blob(digest), digest.algorithm)
            known = self._verdicts[digest, size] = found == digest
            if len(self._verdicts) > _VERDICTS:
                self._verdicts.popitem(last=False)
        return known

    async def size(self, digest: Digest) -> int | None:
        """Bytes of a blob; None: it is not there. May be remembered."""
        known = self._sizes.get(digest)
        if known is not None:
            return known
        try:
            entry = await self.driver.stat(layout.blob(digest))
        except NotFoundError:
            return None
        self._sizes[digest] = entry.size
        if len(self._sizes) > _KNOWN:
            self._sizes.popitem(last=False)
        return entry.size

    async def manifest(self, digest: Digest) -> bytes:
        """The bytes of a manifest, that have its digest.

        Raises NotFoundError; DamagedError; TooLargeError.
        """
        content = await beginning(self.driver, layout.blob(digest), manifest.LIMIT + 1)
        if len(content) > manifest.LIMIT:
            raise TooLargeError
        found = Digest.of(content, digest.algorithm)
        if found != digest:
            raise DamagedError(f"{len(content)} bytes with the digest {found}")
        return content

    async def is_manifest(self, digest: Digest) -> bool:
        """Whether a manifest's bytes are there and whole."""
        try:
            manifest.read(await self.manifest(digest), digest)
        except (NotFoundError, DamagedError, TooLargeError, ManifestInvalidError):
            return False
        return True

    async def link(self, key: str) -> Digest | str:
        """What a link says; text that tells what is there instead of a digest.

        Raises NotFoundError.
        """
        content = await beginning(self.driver, key, _LINK)
        if not content.strip(b"\0"):
            return f"{len(content)} zero bytes" if content else "nothing"
        try:
            return Digest.parse(content.decode("ascii"))
        except (UnicodeDecodeError, DigestInvalidError):
            return f"{len(content)} bytes that are no digest"
