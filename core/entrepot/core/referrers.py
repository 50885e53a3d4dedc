"""Referrers of a manifest: one small object for each, so that nothing is changed in place.

Source: distribution-spec 1.1, "Listing Referrers" and "Enabling the Referrers API".
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from entrepot.core import layout, manifest
from entrepot.core.concurrency import WIDTH, each
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import DigestInvalidError, ManifestInvalidError, NotFoundError
from entrepot.core.links import read_link
from entrepot.core.manifest import Manifest
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.streams import gather, once
from entrepot.core.tags import Tags

PAGE_SIZE = 2 * 1024 * 1024
"""Bytes of descriptors that one answer holds at most, so that every client can read it."""


@dataclass(frozen=True, slots=True)
class ReferrersPage:
    descriptors: list[dict[str, Any]]
    last: str  # the digest after which the next page begins
    more: bool


def entry(referrer: Manifest) -> bytes:
    """What the index holds of a manifest that has a subject."""
    return json.dumps(referrer.descriptor(), separators=(",", ":")).encode()


class Referrers:
    def __init__(self, driver: Driver, name: RepositoryName, tags: Tags) -> None:
        self._driver = driver
        self._name = name
        self._tags = tags

    async def add(self, subject: Digest, referrer: Manifest) -> None:
        """Write the referrer's descriptor; a repetition changes nothing."""
        key = layout.referrer(self._name, subject, referrer.digest)
        await self._driver.write(key, once(entry(referrer)))

    async def remove(self, subject: Digest, referrer: Digest) -> None:
        await self._driver.delete([layout.referrer(self._name, subject, referrer)])

    async def page(
        self, subject: Digest, artifact_type: str | None = None, after: str = ""
    ) -> ReferrersPage:
        """Descriptors of the manifests that have `subject`, by digest, past the digest `after`.

        Those that an index at the fallback tag names are among them. The subject need not
        exist. Costs reading the descriptors of the page.
        """
        page: list[dict[str, Any]] = []
        size, last = 0, after
        async with aclosing(self._all(subject, after)) as found:
            async for descriptor in found:
                if size > PAGE_SIZE:
                    return ReferrersPage(page, last, more=True)
                last = descriptor["digest"]
                if artifact_type is None or descriptor.get("artifactType") == artifact_type:
                    page.append(descriptor)
                    size += len(json.dumps(descriptor))
        return ReferrersPage(page, last, more=False)

    async def _all(self, subject: Digest, after: str) -> AsyncGenerator[dict[str, Any], None]:
        fallback = await self._fallback(subject)
        async with aclosing(self._indexed(subject, after)) as indexed:
            async for descriptor in indexed:
                digest = descriptor["digest"]
                for earlier in sorted(key for key in fallback if after < key < digest):
                    yield fallback.pop(earlier)
                fallback.pop(digest, None)
                yield descriptor
        for digest in sorted(key for key in fallback if key > after):
            yield fallback[digest]

    async def _indexed(self, subject: Digest, after: str) -> AsyncGenerator[dict[str, Any], None]:
        prefix = layout.referrers(self._name, subject)
        start = ""
        if after:
            start = layout.referrer(self._name, subject, Digest.parse(after))
        keys: list[str] = []
        async with aclosing(self._driver.scan(prefix, after=start)) as entries:
            async for entry in entries:
                if isinstance(entry, Entry):
                    keys.append(entry.key)
                if len(keys) == 4 * WIDTH:
                    for descriptor in await each(self._read, keys):
                        if descriptor is not None:
                            yield descriptor
                    keys = []
        for descriptor in await each(self._read, keys):
            if descriptor is not None:
                yield descriptor

    async def _read(self, key: str) -> dict[str, Any] | None:
        """A descriptor whose manifest is still there; what a crash left behind is passed over."""
        try:
            descriptor = json.loads(await gather(self._driver, key, manifest.LIMIT))
            digest = Digest.parse(str(descriptor["digest"]))
        except (NotFoundError, DigestInvalidError, ValueError, TypeError, KeyError):
            return None
        link = await read_link(self._driver, layout.revision_link(self._name, digest))
        return descriptor if link is not None else None

    async def _fallback(self, subject: Digest) -> dict[str, dict[str, Any]]:
        """What clients listed at the tag that stood in for this API, by digest."""
        tag = Tag(f"{subject.algorithm[:32]}-{subject.hex[:64]}")
        digest = await self._tags.find(tag)
        if digest is None:
            return {}
        try:
            content = await gather(self._driver, layout.blob(digest), manifest.LIMIT)
            index = manifest.read(content, digest)
        except (NotFoundError, ManifestInvalidError):
            return {}
        present = await each(self._present, [Digest.parse(d.digest) for d in index.manifests])
        return {
            descriptor.digest: descriptor.model_dump(exclude_none=True)
            for descriptor, there in zip(index.manifests, present, strict=True)
            if there
        }

    async def _present(self, digest: Digest) -> bool:
        link = await read_link(self._driver, layout.revision_link(self._name, digest))
        return link is not None
