"""Manifests of one repository: their bytes, and whether the repository has what they name."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from entrepot.core import layout, manifest, referrers
from entrepot.core.concurrency import each
from entrepot.core.content import Platforms
from entrepot.core.errors import DigestInvalidError, ManifestInvalidError, NotFoundError
from entrepot.core.manifest import Descriptor, Manifest
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.reindexing import ReferrersIndex
from entrepot.core.scrubbing.contents import Contents, DamagedError, TooLargeError
from entrepot.core.scrubbing.findings import Finding, Problem
from entrepot.core.scrubbing.mending import Mend, Mending
from entrepot.core.streams import beginning

_WIDTH = 4  # references of a manifest that are looked for at a time
_KNOWN = 16_384  # links of the repository that are kept


@dataclass(frozen=True, slots=True)
class _Reference:
    digest: Digest
    size: int | None  # bytes, where the manifest says it


class Revisions:
    """Looks at the manifests of a repository.

    `missing` are layer links to blobs that are not there; those that a manifest names are taken
    out of it. `platforms` says which children an index needs.
    """

    def __init__(
        self, contents: Contents, mending: Mending, name: RepositoryName, platforms: Platforms
    ) -> None:
        self.missing: dict[Digest, Digest] = {}
        self._contents = contents
        self._mending = mending
        self._name = name
        self._platforms = platforms
        self._index = ReferrersIndex(contents.driver, name)
        self._links: OrderedDict[Digest, Digest] = OrderedDict()

    def link_mend(self, digest: Digest) -> Mend:
        """Link a manifest whose bytes are there, and list it if it has a subject."""
        write = self._mending.link(layout.revision_link(self._name, digest), digest)

        async def mend() -> None:
            await write()
            await self._index.renew(digest)

        return mend

    def fetch_mend(self, digest: Digest) -> Mend | None:
        """Fetch a manifest and link it."""
        return self._mending.manifest(self._name, digest, self.link_mend(digest))

    async def check(self, digest: Digest) -> list[Problem]:
        """What is wrong with a manifest of the repository, its link included."""
        key = layout.revision_link(self._name, digest)
        stored = await self._contents.link(key)
        if isinstance(stored, str) or (stored.algorithm == digest.algorithm and stored != digest):
            mend = self.link_mend(digest) if await self._contents.is_manifest(digest) else None
            return [self._problem("link-damaged", key, f"it holds {stored}", digest, mend)]
        found = await self._content(digest, stored)
        if isinstance(found, Problem):
            return [found]
        lacking = await each(self._blob, self._blobs(found), _WIDTH)
        wanted = [child for child in found.manifests if self._platforms.includes(child)]
        lacking += await each(self._child, wanted, _WIDTH)
        lacking.append(await self._entry(found))
        return [self._named_by(digest, problem) for problem in lacking if problem is not None]

    async def _content(self, digest: Digest, stored: Digest) -> Manifest | Problem:
        key = layout.blob(stored)
        fetch = self._mending.manifest(self._name, stored)
        try:
            content = await self._contents.manifest(stored)
            if stored != digest and Digest.of(content, digest.algorithm) != digest:
                what = f"it leads to {stored}, which has another digest"
                link = layout.revision_link(self._name, digest)
                return self._problem("link-damaged", link, what, digest)
            return manifest.read(content, digest)
        except NotFoundError:
            return self._problem("manifest-missing", key, "its bytes are not there", digest, fetch)
        except DamagedError as error:
            return self._problem("manifest-damaged", key, f"it has {error}", digest, fetch)
        except TooLargeError:
            what = f"it has more than {manifest.LIMIT} bytes"
            return self._problem("not-a-manifest", key, what, digest)
        except ManifestInvalidError as error:
            return self._problem("not-a-manifest", key, error.message, digest)

    def _blobs(self, found: Manifest) -> list[_Reference]:
        if found.media_type in {manifest.DOCKER_SCHEMA1, manifest.DOCKER_SCHEMA1_SIGNED}:
            return _of_schema1(found.content)
        return [
            _Reference(Digest.parse(blob.digest), blob.size)
            for blob in found.blobs
            if not blob.elsewhere
        ]

    async def _blob(self, wanted: _Reference) -> Problem | None:
        """What is wrong with a layer or config."""
        digest = wanted.digest
        self.missing.pop(digest, None)
        key = layout.layer_link(self._name, digest)
        stored = await self._linked(digest)
        size = await self._contents.size(stored or digest)
        if size is None:
            then = None if stored else self._mending.link(key, digest)
            mend = self._mending.blob(self._name, stored or digest, then)
            where = layout.blob(stored or digest)
            return self._problem("blob-missing", where, "its bytes are not there", digest, mend)
        if stored is None:
            mend = self._mending.link(key, digest)
            return self._problem("layer-link-missing", key, "no link to it", digest, mend)
        if wanted.size is None or size == wanted.size:
            return None
        return await self._of_another_size(wanted, stored, size)

    async def _of_another_size(
        self, wanted: _Reference, stored: Digest, size: int
    ) -> Problem | None:
        """Either the blob was cut, or the manifest never said the truth."""
        if stored in self._contents.damaged:
            return None  # it was told already
        key = layout.blob(stored)
        what = f"it has {size} bytes, {wanted.size} are said"
        if await self._contents.is_whole(stored, size):
            return self._problem("size-wrong", key, what, wanted.digest)
        mend = self._mending.blob(self._name, stored)
        return self._problem("blob-damaged", key, what, wanted.digest, mend)

    async def _child(self, descriptor: Descriptor) -> Problem | None:
        """What is wrong with the link to a child; the child itself has its own turn."""
        digest = Digest.parse(descriptor.digest)
        key = layout.revision_link(self._name, digest)
        try:
            await self._contents.driver.stat(key)
        except NotFoundError:
            pass
        else:
            return None
        if await self._contents.is_manifest(digest):
            mend = self.link_mend(digest)
            return self._problem("child-link-missing", key, "no link to it", digest, mend)
        fetch = self.fetch_mend(digest)
        return self._problem("child-missing", key, "neither link nor bytes", digest, fetch)

    async def _entry(self, found: Manifest) -> Problem | None:
        """Whether a manifest is listed with its subject."""
        if found.subject is None:
            return None
        key = layout.referrer(self._name, found.subject, found.digest)
        wanted = referrers.entry(found)
        try:
            there = await beginning(self._contents.driver, key, len(wanted) + 1)
        except NotFoundError:
            kind, what = "referrer-missing", f"not listed with its subject {found.subject}"
        else:
            if there == wanted:
                return None
            kind, what = "referrer-damaged", "it does not describe its manifest"
        return self._problem(kind, key, what, found.digest, lambda: self._index.renew(found.digest))

    async def _linked(self, digest: Digest) -> Digest | None:
        """Where the repository's link to a blob leads; None: it has none, or a damaged one."""
        known = self._links.get(digest)
        if known is not None:
            return known
        try:
            stored = await self._contents.link(layout.layer_link(self._name, digest))
        except NotFoundError:
            return None
        if isinstance(stored, str) or (stored.algorithm == digest.algorithm and stored != digest):
            return None
        self._links[digest] = stored
        if len(self._links) > _KNOWN:
            self._links.popitem(last=False)
        return stored

    def _problem(
        self, kind: str, key: str, what: str, digest: Digest, mend: Mend | None = None
    ) -> Problem:
        return Problem(Finding(kind, key, what, self._name.text, str(digest)), mend)

    def _named_by(self, digest: Digest, problem: Problem) -> Problem:
        finding = problem.finding
        if finding.digest == str(digest):
            return problem
        what = f"{finding.what}; manifest {digest} names it"
        told = Finding(finding.kind, finding.where, what, finding.repository, finding.digest)
        return Problem(told, problem.mend)


def _of_schema1(content: bytes) -> list[_Reference]:
    """Layers of a manifest of schema 1, which no registry takes any more."""
    document: Any = json.loads(content)
    try:
        return [_Reference(Digest.parse(one["blobSum"]), None) for one in document["fsLayers"]]
    except (KeyError, TypeError, AttributeError, DigestInvalidError):
        return []
