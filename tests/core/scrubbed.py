"""A store with one of everything, and scrubs of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any

from tests.core.stores import CONFIG, chunks, image, index, open_repository
from tests.core.testing.dictionary import DictionaryDriver, Stored

from entrepot.core import layout
from entrepot.core.manifest import OCI_MANIFEST
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Repository
from entrepot.core.scrubbing.findings import Finding
from entrepot.core.scrubbing.running import Plan, Report, scrubbing
from entrepot.core.scrubbing.sources import Source
from entrepot.core.threads import Threads

LAYER, OTHER = b"a layer" * 100, b"another layer"
ALIASED = b"pushed by its sha512"
IMAGE, CHILD = image([LAYER]), image([LAYER, OTHER])
INDEX = index([CHILD])
SIGNATURE = image(
    subject={"mediaType": OCI_MANIFEST, "digest": str(Digest.of(IMAGE)), "size": len(IMAGE)}
)
BLOBS = [CONFIG, LAYER, OTHER]
MANIFESTS = [IMAGE, CHILD, INDEX, SIGNATURE]


def digest(content: bytes) -> Digest:
    return Digest.of(content)


def link(content: bytes, name: RepositoryName | None = None) -> str:
    return layout.layer_link(name or NAME, digest(content))


def revision(content: bytes) -> str:
    return layout.revision_link(NAME, digest(content))


def blob(content: bytes) -> str:
    return layout.blob(digest(content))


NAME = RepositoryName.parse("team/app")
ENTRY = layout.referrer(NAME, digest(IMAGE), digest(SIGNATURE))
LATEST = layout.tag_link(NAME, Tag("latest"))
HISTORY = layout.tag_history(NAME, Tag("latest"), digest(IMAGE))


async def fill(repository: Repository) -> None:
    for content in BLOBS:
        await repository.blobs.put(digest(content), chunks(content))
    for content in MANIFESTS:
        await repository.manifests.put(digest(content), content, None)
    await repository.manifests.put(Tag("latest"), IMAGE, None)
    await repository.manifests.put(Tag("all"), INDEX, None)
    await repository.blobs.put(digest(ALIASED), chunks(ALIASED))
    await repository.blobs.link(Digest.of(ALIASED, "sha512"), digest(ALIASED))


async def filled() -> DictionaryDriver:
    driver = DictionaryDriver({})
    async with open_repository(driver) as repository:
        await fill(repository)
    return driver


def put(driver: DictionaryDriver, key: str, content: bytes, modified: float = 0.0) -> None:
    driver.store[key] = Stored(content, modified)


def contents(driver: DictionaryDriver) -> dict[str, bytes]:
    """What a store holds but for a scrub's own."""
    return {
        key: stored.content
        for key, stored in driver.store.items()
        if not key.startswith(layout.OURS)
    }


@dataclass
class Scrubbed:
    findings: list[Finding] = field(default_factory=list[Finding])
    report: Report = field(default_factory=Report)

    @property
    def kinds(self) -> list[str]:
        """Kinds of what is wrong or harmless still, in order."""
        return sorted({one.kind for one in self.findings if not one.repaired})

    @property
    def wrong(self) -> list[str]:
        """Kinds of what is wrong still."""
        return sorted(
            {one.kind for one in self.findings if one.severity == "wrong" and not one.repaired}
        )


@asynccontextmanager
async def threads() -> AsyncGenerator[Threads, None]:
    with closing(Threads(2, "scrub")) as opened:
        yield opened


async def scrub(driver: Any, plan: Plan | None = None, source: Source | None = None) -> Scrubbed:
    """A whole scrub, that looks twice without a pause."""
    done = Scrubbed()
    async with (
        threads() as opened,
        scrubbing(driver, opened, plan or Plan(pause=0), done.findings.append, source) as running,
    ):
        await running.hash_blobs()
        await running.check_repositories()
    done.report = running.report
    return done
