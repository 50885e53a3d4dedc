"""Stores laid out by hand, and what a mark makes of them."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field

from tests.core.stores import described, image, index
from tests.core.testing.dictionary import DictionaryDriver, Stored

from entrepot.core import layout
from entrepot.core.collecting.marking import (
    Garbage,
    MarkOptions,
    MarkReport,
    Untagged,
    unreachable,
)
from entrepot.core.driver import Driver
from entrepot.core.names import Digest, RepositoryName, Tag

NOW = 1_000_000.0
GRACE = 3600.0
OLD = 2 * GRACE
YOUNG = GRACE / 2
CONFIG = b"{}"

__all__ = ["CONFIG", "GRACE", "NOW", "OLD", "YOUNG", "Store", "described", "image", "index", "mark"]


@dataclass
class Store:
    """Objects of any age, put where Distribution or a crash would have left them."""

    driver: DictionaryDriver = field(default_factory=lambda: DictionaryDriver({}))

    def put(self, key: str, content: bytes, age: float = OLD) -> None:
        self.driver.store[key] = Stored(content, NOW - age)

    def blob(self, content: bytes, algorithm: str = "sha256", age: float = OLD) -> Digest:
        digest = Digest.of(content, algorithm)
        self.put(layout.blob(digest), content, age)
        return digest

    def link(
        self, repository: str, digest: Digest, said: Digest | None = None, age: float = OLD
    ) -> None:
        key = layout.layer_link(RepositoryName(repository), digest)
        self.put(key, str(said or digest).encode(), age)

    def layer(self, repository: str, content: bytes, age: float = OLD) -> Digest:
        """A blob, and the repository's link to it."""
        digest = self.blob(content, age=age)
        self.link(repository, digest, age=age)
        return digest

    def manifest(
        self,
        repository: str,
        content: bytes,
        *tags: str,
        age: float = OLD,
        algorithm: str = "sha256",
    ) -> Digest:
        """A manifest with its link, and tags for it; what it needs is not put."""
        digest = self.blob(content, algorithm, age)
        self.revision(repository, digest, age)
        for tag in tags:
            self.tag(repository, tag, digest)
        return digest

    def revision(self, repository: str, digest: Digest, age: float = OLD) -> None:
        key = layout.revision_link(RepositoryName(repository), digest)
        self.put(key, str(digest).encode(), age)

    def tag(self, repository: str, tag: str, digest: Digest) -> None:
        name = RepositoryName(repository)
        self.put(layout.tag_history(name, Tag(tag), digest), str(digest).encode())
        self.put(layout.tag_link(name, Tag(tag)), str(digest).encode())

    def image(
        self, repository: str, layers: list[bytes], *tags: str, age: float = OLD, **more: object
    ) -> Digest:
        """A whole image over `CONFIG`."""
        for layer in [CONFIG, *layers]:
            self.layer(repository, layer)
        return self.manifest(repository, image(layers, **more), *tags, age=age)


async def mark(
    driver: Driver | Store,
    untagged: Untagged | None = None,
    report: MarkReport | None = None,
    grace: float = GRACE,
) -> list[Garbage]:
    """What a mark gives."""
    if isinstance(driver, Store):
        driver = driver.driver
    options = MarkOptions(grace, NOW, untagged)
    async with aclosing(unreachable(driver, options, report or MarkReport())) as garbage:
        return [one async for one in garbage]
