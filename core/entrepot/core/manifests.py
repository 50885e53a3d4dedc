"""Manifests of one repository: taken only when complete, removed without a dangling tag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from entrepot.core import layout, manifest
from entrepot.core.access import DeniedError
from entrepot.core.admission import Admissions, Push
from entrepot.core.blobs import Blobs
from entrepot.core.cache import ContentCache
from entrepot.core.collecting.keeping import Keeping
from entrepot.core.concurrency import each
from entrepot.core.content import check_class
from entrepot.core.descriptors import Descriptors
from entrepot.core.driver import Driver
from entrepot.core.errors import (
    DigestInvalidError,
    ManifestBlobUnknownError,
    ManifestInvalidError,
    ManifestUnknownError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
)
from entrepot.core.links import read_link, write_link
from entrepot.core.manifest import Descriptor, Manifest
from entrepot.core.names import Digest, Reference, RepositoryName, Tag
from entrepot.core.referrers import Referrers
from entrepot.core.streams import gather, once
from entrepot.core.tags import Tags

if TYPE_CHECKING:
    from entrepot.core.registry import Rules


_TRIES = 8  # a push that deletions take something from is written again


class Manifests:
    def __init__(
        self,
        driver: Driver,
        name: RepositoryName,
        blobs: Blobs,
        tags: Tags,
        referrers: Referrers,
        cache: ContentCache[Manifest],
        known: Descriptors,
        keeping: Keeping,
        rules: Rules,
        admissions: Admissions,
    ) -> None:
        self._driver = driver
        self._name = name
        self._blobs = blobs
        self._tags = tags
        self._referrers = referrers
        self._cache = cache
        self._known = known
        self._keeping = keeping
        self._rules = rules
        self._admissions = admissions

    async def resolve(self, reference: Reference) -> Digest:
        """Raises ManifestUnknownError: if it is a tag that does not exist."""
        return await self._tags.get(reference) if isinstance(reference, Tag) else reference

    async def get(self, reference: Reference, *, afresh: bool = False) -> Manifest:
        """The manifest; `afresh`: whose link is in the store now, and not just a short time ago.

        Raises ManifestUnknownError.
        """
        digest = await self.resolve(reference)
        found = self._cache.get(str(digest))
        if found is not None and await self._has_whole_link(digest, afresh=afresh):
            return found
        stored = await read_link(self._driver, layout.revision_link(self._name, digest))
        if stored is None:
            raise _unknown(self._name, reference)
        return found if found is not None else await self._load(reference, digest, stored)

    async def put(
        self,
        reference: Reference,
        content: bytes,
        media_type: str | None,
        tags: Sequence[Tag] = (),
        user: str = "",
    ) -> Manifest:
        """Store a manifest, then point tags to it: `tags`, and the reference if it is one.

        Written in this order: content, revision link, referrer, tags; so a crash leaves
        nothing that points to nothing.

        Raises DigestInvalidError: if the reference is a digest of something else;
        ManifestInvalidError; ManifestBlobUnknownError: if the repository lacks what it names;
        DeniedError: if the registry does not take such manifests, an admission refuses it
        to `user`, or one of the tags is immutable and points to another one.
        """
        digest = _digest_of(reference, content)
        parsed = manifest.parse(content, media_type, digest)
        check_class(parsed, self._rules.classes)
        if isinstance(reference, Tag):
            tags = [*tags, reference]
        is_admitted = not self._admissions

        async def push() -> None:
            nonlocal is_admitted
            if self._rules.verify_references:
                await self._verify(parsed)
            if not is_admitted:
                names = tuple(tag.text for tag in tags)
                await self._admissions.admit(Push(self._name.text, parsed, names, user))
                is_admitted = True
            for tag in tags:
                await self._tags.check(tag, digest)
            await self._store(parsed)
            for tag in tags:
                await self._tags.set(tag, digest)
            if tags:
                await self._hold(parsed, tags)

        await self._keeping.push(parsed, push)
        return parsed

    async def delete(self, digest: Digest, *, untag: bool = True) -> list[Tag]:
        """Remove a manifest and every tag that points to it; gives those tags.

        The bytes are left to garbage collection. Tags go first, and once more after the
        revision for one that was pushed meanwhile.

        Raises ManifestUnknownError; DeniedError: if a tag that points to it is immutable and
        not deletable; UnsupportedError: if any does, unless it may `untag`.
        """
        if not await self.has(digest):
            raise _unknown(self._name, digest)
        removed = await self._tags.untag(digest, may=untag)
        found = await self._find(digest)
        if found is not None and found.subject is not None:
            await self._referrers.remove(found.subject, digest)
        key = layout.revision_link(self._name, digest)
        self._known.drop_link(key)
        try:
            await self._driver.delete([key])
        finally:
            self._known.drop_link(key)
        self._cache.drop(str(digest))
        try:
            return removed + await self._tags.untag(digest, may=untag)
        except (DeniedError, UnsupportedError):  # pushed meanwhile, and has to stay
            await self._link(digest, found)
            raise

    async def has(self, digest: Digest) -> bool:
        link = await read_link(self._driver, layout.revision_link(self._name, digest))
        return link is not None

    async def _hold(self, parsed: Manifest, tags: Sequence[Tag]) -> None:
        """Write again what a deletion took away meanwhile: the push counts as coming after it.

        A tag that is written again may come behind the deletion of its manifest, so both are
        looked at until nothing is missing.
        """
        missing: list[Tag] = []
        for _ in range(_TRIES):
            if not await self.has(parsed.digest):
                await self._store(parsed)
            missing = [tag for tag in tags if await self._tags.find(tag) is None]
            if not missing:
                return
            for tag in missing:
                await self._tags.set(tag, parsed.digest)
        raise UnavailableError(missing[0].text, "deleted again and again while it was pushed")

    async def _find(self, digest: Digest) -> Manifest | None:
        try:
            return await self.get(digest)
        except ManifestUnknownError:  # its bytes are lost, its link can still be removed
            return None

    async def _has_whole_link(self, digest: Digest, *, afresh: bool) -> bool:
        """Whether the revision's link is there and as long as its text, which costs less to
        ask than to read it; or was a short time ago.
        """
        key = layout.revision_link(self._name, digest)
        if not afresh and self._known.link(key) is not None:
            return True
        drops = self._known.drops
        try:
            entry = await self._driver.stat(key)
        except NotFoundError:
            self._known.drop_link(key)
            return False
        if entry.size != len(str(digest)):
            return False
        self._known.keep_link(key, digest, drops)
        return True

    async def _load(self, reference: Reference, digest: Digest, stored: Digest) -> Manifest:
        try:
            content = await gather(self._driver, layout.blob(stored), manifest.LIMIT)
            found = manifest.read(content, digest)
        except (NotFoundError, ManifestInvalidError):
            raise _unknown(self._name, reference) from None
        self._cache.put(str(digest), found, 2 * len(content))
        return found

    async def _store(self, parsed: Manifest) -> None:
        await self._driver.write(layout.blob(parsed.digest), once(parsed.content))
        await self._link(parsed.digest, parsed)

    async def _link(self, digest: Digest, found: Manifest | None) -> None:
        await write_link(self._driver, layout.revision_link(self._name, digest), digest)
        if found is not None and found.subject is not None:
            await self._referrers.add(found.subject, found)

    async def _verify(self, parsed: Manifest) -> None:
        missing = [d for d in await each(self._missing_blob, parsed.blobs) if d is not None]
        missing += [d for d in await each(self._missing_child, parsed.manifests) if d is not None]
        if missing:
            raise ManifestBlobUnknownError(
                f"repository {self._name} lacks {len(missing)} of what the manifest names: "
                "push blobs and child manifests before it",
                missing=tuple(missing),
            )

    async def _missing_blob(self, descriptor: Descriptor) -> str | None:
        self._check_urls(descriptor)
        if descriptor.elsewhere or await self._blobs.has(Digest.parse(descriptor.digest)):
            return None
        return descriptor.digest

    async def _missing_child(self, descriptor: Descriptor) -> str | None:
        if not self._rules.platforms.includes(descriptor):
            return None
        return None if await self.has(Digest.parse(descriptor.digest)) else descriptor.digest

    def _check_urls(self, descriptor: Descriptor) -> None:
        """`validation.manifests.urls`, where it is configured."""
        allow, deny = self._rules.urls_allow, self._rules.urls_deny
        for url in descriptor.urls or []:
            allowed = not allow or any(pattern.search(url) for pattern in allow)
            if not allowed or any(pattern.search(url) for pattern in deny):
                raise ManifestInvalidError(
                    "the manifest names a URL that validation.manifests.urls forbids",
                    detail={"digest": descriptor.digest, "url": url[:200]},
                )


def _digest_of(reference: Reference, content: bytes) -> Digest:
    if isinstance(reference, Tag):
        return Digest.of(content)
    found = Digest.of(content, reference.algorithm)
    if not found.matches(reference):
        raise DigestInvalidError(
            f"the manifest has digest {found}, not {reference}",
            detail={"digest": str(found), "expected": str(reference)},
        )
    return reference


def _unknown(name: RepositoryName, reference: Reference) -> ManifestUnknownError:
    return ManifestUnknownError(
        f"manifest {reference} unknown to repository {name}",
        detail={"name": name.text, "reference": str(reference)},
    )
