"""The registry: one driver, and everything a request may ask of the content on it."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from entrepot.core import catalogue
from entrepot.core.admission import NO_ADMISSIONS, Admissions
from entrepot.core.blobs import Blobs
from entrepot.core.cache import ContentCache
from entrepot.core.collecting.condemned import Condemned
from entrepot.core.collecting.keeping import Keeping
from entrepot.core.collecting.timing import REAL, Timing
from entrepot.core.concurrency import WIDTH
from entrepot.core.content import ALL_PLATFORMS, Platforms
from entrepot.core.costs import CallObserver
from entrepot.core.descriptors import Descriptors
from entrepot.core.driver import Driver
from entrepot.core.guard import GuardedDriver
from entrepot.core.manifest import Manifest
from entrepot.core.manifests import Manifests
from entrepot.core.names import RepositoryName
from entrepot.core.redirects import ALL_CLIENTS, Redirected, Redirects
from entrepot.core.referrers import Referrers
from entrepot.core.tag_rules import NO_TAG_RULES, TagRules
from entrepot.core.tags import Tags
from entrepot.core.threads import Threads
from entrepot.core.uploads import Uploads

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Deletable:
    """What clients may delete."""

    tags: bool = False
    manifests: bool = False
    blobs: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says of content. Sizes are bytes; `tag_lookups` are at a time."""

    delete: Deletable = Deletable()
    tags: TagRules = NO_TAG_RULES
    redirected: Redirected | None = ALL_CLIENTS  # None: nobody is
    verify_references: bool = True
    tag_lookups: int = WIDTH
    urls_allow: tuple[re.Pattern[str], ...] = ()
    urls_deny: tuple[re.Pattern[str], ...] = ()
    classes: tuple[str, ...] = ()
    platforms: Platforms = ALL_PLATFORMS
    manifest_cache: int = 32 * MIB
    blob_cache: int = 32 * MIB
    largest_cached_blob: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Registry:
    """Shared by all requests of one event loop; made by `open_registry`."""

    driver: Driver
    rules: Rules
    threads: Threads
    admissions: Admissions = NO_ADMISSIONS
    descriptors: Descriptors = field(default_factory=Descriptors)
    timing: Timing = REAL
    condemned: Condemned = field(init=False)
    manifests: ContentCache[Manifest] = field(init=False)
    blobs: ContentCache[bytes] = field(init=False)
    redirects: Redirects = field(init=False)

    def __post_init__(self) -> None:
        rules = self.rules
        object.__setattr__(self, "condemned", Condemned(self.driver, self.timing))
        object.__setattr__(self, "manifests", ContentCache(rules.manifest_cache, 4 * MIB))
        object.__setattr__(self, "blobs", ContentCache(rules.blob_cache, rules.largest_cached_blob))
        object.__setattr__(self, "redirects", Redirects(self.driver, rules.redirected))

    def repository(self, name: RepositoryName) -> Repository:
        """Makes no request; the repository may not exist yet."""
        return Repository(self, name)

    def repositories(
        self, after: str = "", enters: catalogue.Enters = catalogue.everywhere
    ) -> AsyncGenerator[str, None]:
        """Names of the repositories that hold a manifest; see `catalogue.repositories`."""
        return catalogue.repositories(self.driver, after, enters)


class Repository:
    """One repository's content, by kind."""

    __slots__ = ("blobs", "manifests", "name", "referrers", "tags", "uploads")

    def __init__(self, registry: Registry, name: RepositoryName) -> None:
        self.name = name
        known = registry.descriptors
        keeping = Keeping(registry.driver, name, registry.condemned)
        self.blobs = Blobs(registry.driver, name, registry.blobs, known, keeping, registry.threads)
        rules = registry.rules
        self.tags = Tags(registry.driver, name, rules.tag_lookups, rules.tags)
        self.referrers = Referrers(registry.driver, name, self.tags)
        self.uploads = Uploads(registry.driver, name, self.blobs, registry.threads)
        self.manifests = Manifests(
            registry.driver,
            name,
            self.blobs,
            self.tags,
            self.referrers,
            registry.manifests,
            known,
            keeping,
            registry.rules,
            registry.admissions,
        )


@asynccontextmanager
async def open_registry(
    driver: Driver,
    rules: Rules,
    name: str = "",
    observer: CallObserver | None = None,
    admissions: Admissions = NO_ADMISSIONS,
    descriptors: Descriptors | None = None,
    timing: Timing = REAL,
) -> AsyncGenerator[Registry, None]:
    """A registry over an open driver, which errors call `name`; its threads end with it.

    `observer` is told of every call of the driver; without `descriptors`, nothing is remembered
    of blobs but their bytes. `timing` is the clock that garbage collection is heeded by.
    """
    threads = Threads(os.cpu_count() or 1, "hash")
    try:
        guarded = GuardedDriver(driver, name, observer)
        known = descriptors or Descriptors()
        yield Registry(guarded, rules, threads, admissions, known, timing)
    finally:
        threads.close()
