"""Tags on their way: the last of a repository's objects, and never without what they point to."""

from __future__ import annotations

import hashlib

from entrepot.core.errors import DigestInvalidError, NotFoundError
from entrepot.core.migrating.images import Images
from entrepot.core.migrating.objects import Objects, Outcome, entry
from entrepot.core.migrating.pairing import Pair
from entrepot.core.names import Digest
from entrepot.core.streams import beginning, once

CURRENT = "/current/link"
_LIMIT = 256  # bytes; a link has 135 at most


class _LeftOutError(Exception):
    """A tag that is not copied; the message says why."""


class Tags:
    """Copies the tags of one repository."""

    def __init__(self, objects: Objects, images: Images) -> None:
        self._objects = objects
        self._images = images

    async def history_of(self, pair: Pair) -> None:
        """What a tag once pointed to, as both stores list it."""
        if pair.key.endswith("/link") and not pair.key.endswith(CURRENT):
            await self._objects.plain_of(pair)

    async def current_of(self, pair: Pair) -> None:
        """What a tag points to, as both stores list it; only reading tells whether it changed."""
        if pair.source is None or not pair.key.endswith(CURRENT):
            return
        objects = self._objects
        if pair.is_alike and await objects.is_equal(pair.key):
            objects.record.skipped()
            return
        try:
            await objects.follow(pair.key, pair.source.size, self._copy)
        except _LeftOutError as error:
            objects.record.left_out(pair.key, str(error))

    async def _copy(self, key: str) -> str | None:
        """Copies a tag behind its image, which may have been pushed since manifests were listed."""
        try:
            content = await beginning(self._objects.source, key, _LIMIT)
            digest = Digest.parse(content.decode("ascii", "replace").strip())
        except NotFoundError:
            return None
        except DigestInvalidError:
            raise _LeftOutError("the tag's link is damaged") from None
        if not await self._images.has(digest):
            outcome = await self._images.bring(digest, whole=True)
            if outcome is Outcome.MISSING:
                raise _LeftOutError(f"the source does not have the manifest {digest}")
            if outcome is Outcome.FAILED:
                raise _LeftOutError(f"the manifest {digest} was not copied")
        await self._bring_history(key, digest)
        await self._objects.target.write(key, once(content))
        return hashlib.sha256(content).hexdigest()

    async def _bring_history(self, key: str, digest: Digest) -> None:
        """The tag may have moved since its history was listed, too."""
        folder = key.removesuffix(CURRENT)
        history = f"{folder}/index/{digest.algorithm}/{digest.hex}/link"
        if await entry(self._objects.target, history) is None:
            found = await entry(self._objects.source, history)
            if found is not None:
                await self._objects.plain(history, found.size)
