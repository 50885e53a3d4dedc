"""A scrub from its beginning, or where the last one stopped, to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from entrepot.core import inventory, layout
from entrepot.core.content import ALL_PLATFORMS, Platforms
from entrepot.core.driver import Driver
from entrepot.core.errors import StorageError
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.scrubbing import cursor as cursors
from entrepot.core.scrubbing.blobs import Hashing, Part, hash_blob
from entrepot.core.scrubbing.contents import Contents
from entrepot.core.scrubbing.cursor import Cursor
from entrepot.core.scrubbing.doubts import Doubts, Told
from entrepot.core.scrubbing.findings import Finding
from entrepot.core.scrubbing.mending import Mending
from entrepot.core.scrubbing.oddities import oddities
from entrepot.core.scrubbing.pace import Pace
from entrepot.core.scrubbing.repository import RepositoryCheck
from entrepot.core.scrubbing.sources import Source
from entrepot.core.scrubbing.walking import Front, share
from entrepot.core.threads import Threads

_SAVED = 10.0  # seconds of work that a kill may cost
_BLOB_PAUSE = 0.5  # seconds at most; a blob is in place at once, its links come one by one


_ALL = Part()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a scrub does.

    `rate` is in bytes per second, `width` in blobs at a time, `pause` in seconds before
    something that seems wrong is looked at again.
    """

    part: Part = _ALL
    rate: float | None = None
    width: int = 4
    blobs: bool = True
    repositories: bool = True
    repair: bool = False
    restart: bool = False
    pause: float = 2.0
    platforms: Platforms = ALL_PLATFORMS

    @property
    def name(self) -> str:
        """Whose cursor it goes on with: parts follow each other, a whole is only continued."""
        only = "" if self.blobs and self.repositories else "-blobs" if self.blobs else "-links"
        return ("parts" if self.is_part else "whole") + only

    @property
    def is_part(self) -> bool:
        return self.part.sample is not None or self.part.budget is not None


@dataclass(slots=True)
class Report:
    """What a scrub has done. `wrong` counts what is so still, `earlier` what of it an earlier
    run told that this one went on with.
    """

    continues: float | None = None  # since when, in seconds since the epoch
    blobs: int = 0
    bytes: int = 0
    repositories: int = 0
    wrong: int = 0
    earlier: int = 0
    harmless: int = 0
    repaired: int = 0
    share: float = 1.0  # of all blobs, after this run
    unsaved: str = ""  # why the place could not be kept on the store


class Scrub:
    """Made by `scrubbing`: call `hash_blobs`, then `check_repositories`."""

    def __init__(
        self, driver: Driver, threads: Threads, plan: Plan, told: Told, source: Source | None
    ) -> None:
        self.report = Report()
        self._driver = driver
        self._plan = plan
        self._hear = told
        self._contents = Contents(driver, threads, Pace(plan.rate))
        self._mending = Mending(self._contents, source)
        self._cursor = Cursor(time.time(), repair=plan.repair)
        self._known: list[Digest] = []  # to be damaged, as it is kept on the store
        self._saved = 0.0  # by the loop's clock

    async def hash_blobs(self, passed: Callable[[int], None] = lambda _: None) -> None:
        """Hash the blobs that are due; `passed` hears of bytes. Raises StorageError."""
        if not self._plan.blobs:
            return
        front = Front(self._cursor.blobs or "")

        async def kept() -> None:
            self._cursor.blobs = front.reached
            await self._save_at_times()

        doubts = self._doubts(min(self._plan.pause, _BLOB_PAUSE))
        part = self._plan.part
        hashing = Hashing(self._contents, self._mending, doubts, front, part, passed, kept)
        try:
            if self._cursor.blobs is not None:
                is_end = await hashing.run(self._plan.width)
                self._cursor.blobs = None if is_end else front.reached
        finally:
            self.report.blobs, self.report.bytes = hashing.blobs, hashing.bytes
            self.report.share = 1.0 if self._cursor.blobs is None else share(front.reached)

    async def check_repositories(self, passed: Callable[[int], None] = lambda _: None) -> None:
        """Check every link, tag, manifest and referrer; `passed` hears of objects looked at.

        Raises StorageError.
        """
        if not self._plan.repositories:
            return
        doubts = self._doubts(self._plan.pause)
        before = self._cursor.repository
        async with aclosing(inventory.repositories(self._driver, after=before)) as names:
            async for name in names:
                await self._check(name, doubts, passed, before)
                before = name.text
                await doubts.settle()
                self._cursor.repository = before if doubts.oldest is None else doubts.oldest
                await self._save_at_times()
        await doubts.settle(all_=True)
        async with aclosing(oddities(self._driver)) as found:
            async for finding in found:
                self._told(finding)
        self._cursor.repository = ""

    async def _check(
        self, name: RepositoryName, doubts: Doubts, passed: Callable[[int], None], before: str
    ) -> None:
        check = RepositoryCheck(
            self._contents,
            self._mending,
            doubts,
            name,
            platforms=self._plan.platforms,
            hashes=self._plan.blobs,
        )
        await check.run(before, passed)
        self.report.repositories += 1

    async def begin(self) -> None:
        """Go on with what is kept on the store, and look again at what was damaged.

        Raises StorageError.
        """
        found = None if self._plan.restart else await cursors.load(self._driver, self._plan.name)
        if found is not None:
            self.report.continues = found.began
            if found.repair != self._plan.repair:  # what was told only is to be repaired, too
                found.repository, found.wrong, found.repair = "", 0, self._plan.repair
            self.report.earlier = found.wrong
            self._cursor = found
        self._known = await cursors.load_damaged(self._driver)
        for digest in self._known:
            self._contents.note(digest, whole=False)

    async def look_again(self) -> None:
        """Hash what was damaged in an earlier run. Raises StorageError."""
        doubts = self._doubts(0)
        for digest in self._known:
            if await hash_blob(self._contents, self._mending, doubts, digest, lambda _: None):
                self._contents.note(digest, whole=True)

    async def end(self) -> None:
        """Everything had its turn: what follows begins anew, or with the next part."""
        if self._plan.is_part and self._cursor.blobs:
            following = Cursor(time.time(), self._cursor.blobs)
            await self._tried(cursors.save(self._driver, self._plan.name, following))
        else:
            await self._tried(cursors.forget(self._driver, self._plan.name))
        await self._save_damaged()
        self.report.wrong += len(self._contents.damaged) + self.report.earlier

    async def save(self) -> None:
        """Keep how far this has come."""
        self._cursor.wrong = self.report.earlier + self.report.wrong
        await self._tried(cursors.save(self._driver, self._plan.name, self._cursor))
        await self._save_damaged()

    async def _save_damaged(self) -> None:
        damaged = list(self._contents.damaged)
        if damaged != self._known:
            self._known = damaged
            await self._tried(cursors.save_damaged(self._driver, damaged))

    async def _save_at_times(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._saved >= _SAVED:
            self._saved = now
            await self.save()

    async def _tried(self, writing: Awaitable[None]) -> None:
        """A store that cannot be written can be scrubbed still."""
        try:
            await writing
        except StorageError as error:
            self.report.unsaved = str(error)

    def _doubts(self, pause: float) -> Doubts:
        return Doubts(self._driver, self._told, pause=pause, repair=self._plan.repair)

    def _told(self, finding: Finding) -> None:
        if finding.repaired:
            self.report.repaired += 1
        elif finding.severity == "harmless":
            self.report.harmless += 1
        elif finding.kind == "blob-damaged":  # counted by what is left of them in the end
            digest = layout.digest_of_blob(finding.where)
            if digest is not None:
                self._contents.note(digest, whole=False)
        else:
            self.report.wrong += 1
        self._hear(finding)


@asynccontextmanager
async def scrubbing(
    driver: Driver,
    threads: Threads,
    plan: Plan,
    told: Told = lambda _: None,
    source: Source | None = None,
) -> AsyncGenerator[Scrub, None]:
    """A scrub that goes on where the last one of its kind stopped; `told` hears of findings.

    Left by an error or a cancellation, it keeps how far it has come; its report is complete
    when the context was left without.
    """
    scrub = Scrub(driver, threads, plan, told, source)
    await scrub.begin()
    try:
        await scrub.look_again()
        yield scrub
    except BaseException:
        await scrub.save()
        raise
    await scrub.end()
