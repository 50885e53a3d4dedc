"""Scrubs in parts, broken off and continued, beside pushes, and on stores that fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from tests.core.interleaving import Turns, TurnsDriver
from tests.core.scrubbed import (
    IMAGE,
    LAYER,
    NAME,
    SIGNATURE,
    Scrubbed,
    blob,
    contents,
    digest,
    filled,
    link,
    put,
    revision,
    scrub,
    threads,
)
from tests.core.stores import CONFIG, chunks, open_repository
from tests.core.testing.dictionary import DictionaryDriver, Stored

from entrepot.core import layout
from entrepot.core.driver import Entry, Prefix
from entrepot.core.errors import AccessError, UnavailableError
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.scrubbing import doubts, running
from entrepot.core.scrubbing.blobs import Part
from entrepot.core.scrubbing.doubts import Doubts
from entrepot.core.scrubbing.pace import Pace
from entrepot.core.scrubbing.running import Plan, scrubbing
from entrepot.core.scrubbing.sources import DriverSource
from entrepot.core.scrubbing.walking import Front, entries, place_at, place_of, share

pytestmark = pytest.mark.anyio

WHOLE = f"{layout.OURS}scrub/whole.json"
PARTS = f"{layout.OURS}scrub/parts.json"


class WatchedDriver(DictionaryDriver):
    """Notes which blobs are read, and stops or fails where it is told to."""

    def __init__(self, driver: DictionaryDriver) -> None:
        super().__init__(driver.store)
        self.read_blobs: list[str] = []
        self.stops_at = ""
        self.stopped = asyncio.Event()
        self.goes_down_at = ""
        self.failing: set[str] = set()
        self.is_down = False
        self.is_read_only = False

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if key == self.stops_at:
            self.stopped.set()
            await asyncio.Event().wait()
        self.is_down = self.is_down or key == self.goes_down_at
        if key in self.failing or self.is_down:
            raise UnavailableError(key, "input/output error")
        if key.startswith(layout.BLOBS):
            self.read_blobs.append(key)
        async for chunk in super().read(key, start, stop):
            yield chunk

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        if self.is_down:
            raise UnavailableError(prefix, "no connection")
        async for entry in super().scan(prefix, after=after, delimiter=delimiter):
            yield entry

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        if self.is_read_only:
            raise AccessError(key, "read-only file system")
        return await super().write(key, chunks, create=create)


async def watched(*contents: bytes) -> WatchedDriver:
    """A store that has these blobs in a repository."""
    driver = WatchedDriver(DictionaryDriver({}))
    async with open_repository(driver) as repository:
        for content in contents:
            await repository.blobs.put(digest(content), chunks(content))
    return driver


def in_order(driver: DictionaryDriver) -> list[str]:
    return sorted(key for key in driver.store if key.startswith(layout.BLOBS))


CONTENTS = [bytes([n]) * 1000 for n in range(64)]


async def test_samples_follow_each_other_until_all_was_hashed() -> None:
    driver = await watched(*CONTENTS)
    shares: list[float] = []

    for _ in range(4):
        found = await scrub(driver, Plan(part=Part(sample=0.25), pause=0))
        shares.append(found.report.share)

    assert driver.read_blobs == in_order(driver)
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert PARTS not in driver.store


async def test_budgets_follow_each_other() -> None:
    driver = await watched(*CONTENTS)

    first = await scrub(driver, Plan(part=Part(budget=9_500), width=1, pause=0))
    for _ in range(6):
        await scrub(driver, Plan(part=Part(budget=9_500), width=1, pause=0))

    assert (first.report.blobs, first.report.bytes) == (10, 10_000)
    assert driver.read_blobs == in_order(driver)


async def test_budget_smaller_than_a_blob_still_comes_to_an_end() -> None:
    driver = await watched(*CONTENTS[:3])

    for _ in range(4):
        await scrub(driver, Plan(part=Part(budget=1), pause=0))

    assert driver.read_blobs[:3] == in_order(driver)


async def broken_off(driver: WatchedDriver, plan: Plan) -> Scrubbed:
    """A scrub that is cancelled where the driver stops."""
    done = Scrubbed()

    async def work() -> None:
        async with (
            threads() as opened,
            scrubbing(driver, opened, plan, done.findings.append) as started,
        ):
            await started.hash_blobs()
            await started.check_repositories()

    task = asyncio.create_task(work())
    await driver.stopped.wait()
    await cancel(task)
    driver.stops_at = ""
    return done


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_scrub_goes_on_where_it_was_broken_off() -> None:
    driver = await watched(*CONTENTS)
    ordered = in_order(driver)
    driver.stops_at = ordered[40]

    await broken_off(driver, Plan(width=1, pause=0))
    assert driver.read_blobs == ordered[:40]
    found = await scrub(driver, Plan(width=1, pause=0))

    assert driver.read_blobs == ordered
    assert found.report.continues is not None
    assert WHOLE not in driver.store


async def test_killed_scrub_goes_on_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_SAVED", 0.0)
    driver = await watched(*CONTENTS)
    ordered = in_order(driver)
    driver.stops_at = ordered[40]
    task = asyncio.create_task(scrub(driver, Plan(width=1, pause=0)))
    await driver.stopped.wait()
    left = WatchedDriver(DictionaryDriver(dict(driver.store)))  # as a kill would leave it
    await cancel(task)

    await scrub(left, Plan(width=1, pause=0))

    assert set(left.read_blobs) >= set(ordered[40:])
    assert len(left.read_blobs) <= 25


async def test_restart_begins_anew() -> None:
    driver = await watched(*CONTENTS)
    driver.stops_at = in_order(driver)[40]
    await broken_off(driver, Plan(width=1, pause=0))
    driver.read_blobs.clear()

    await scrub(driver, Plan(restart=True, pause=0))

    assert sorted(driver.read_blobs) == in_order(driver)


async def test_damage_found_before_the_break_is_told_again_until_it_is_repaired() -> None:
    driver = await watched(*CONTENTS)
    ordered = in_order(driver)
    source = DriverSource(DictionaryDriver(dict(driver.store)))
    put(driver, ordered[3], b"damaged")
    driver.stops_at = ordered[40]
    first = await broken_off(driver, Plan(width=1, pause=0))

    second = await scrub(driver, Plan(width=1, pause=0, repair=True), source)

    assert first.kinds == ["blob-damaged"]
    assert [one.where for one in second.findings] == [ordered[3]]
    assert second.findings[0].repaired
    assert (second.report.wrong, second.report.repaired) == (0, 1)


async def test_repositories_are_continued_after_the_last_one_that_was_settled() -> None:
    driver = WatchedDriver(await filled())
    names = ["a", "b", "c"]
    for key in contents(driver):
        for name in names:
            if key.startswith(layout.repository(NAME)):
                other = key.replace(NAME.text, name, 1)
                put(driver, other, driver.store[key].content)
    del driver.store[layout.revision_link(RepositoryName("b"), digest(SIGNATURE))]
    driver.stops_at = layout.layer_link(RepositoryName("c"), digest(LAYER))
    task = asyncio.create_task(scrub(driver, Plan(blobs=False, pause=60)))
    await driver.stopped.wait()
    await cancel(task)
    driver.stops_at = ""

    kept = json.loads(driver.store[f"{layout.OURS}scrub/whole-links.json"].content)
    found = await scrub(driver, Plan(blobs=False, pause=0))

    assert kept["repository"] == "a"  # what seemed wrong in `b` had not been looked at again
    assert found.kinds == ["referrer-orphan"]
    assert found.report.repositories == 3


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"began": "x"}', b'{"x": 1}'])
async def test_damaged_cursor_is_none(content: bytes) -> None:
    driver = await watched(*CONTENTS)
    put(driver, WHOLE, content)

    found = await scrub(driver)

    assert found.report.continues is None
    assert sorted(driver.read_blobs) == in_order(driver)


async def test_push_in_the_middle_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a push writes last is missing at the first look, and there at the second."""
    driver = await filled()
    last = {
        key: driver.store.pop(key)
        for key in [revision(SIGNATURE), layout.tag_history(NAME, Tag("latest"), digest(IMAGE))]
    }
    settle = Doubts.settle

    async def meanwhile(waiting: Doubts, *, all_: bool = False) -> None:
        driver.store.update(last)
        await settle(waiting, all_=all_)

    monkeypatch.setattr(Doubts, "settle", meanwhile)

    assert (await scrub(driver, Plan(pause=0, blobs=False))).findings == []


async def test_blob_that_is_deleted_meanwhile_is_no_finding() -> None:
    driver = await filled()
    put(driver, blob(b"no longer"), b"no longer")
    turns = Turns([0] * 1000)

    async def delete() -> None:
        await TurnsDriver(driver, turns).delete([blob(b"no longer")])

    done = await turns.run(scrub(TurnsDriver(driver, turns), Plan(pause=0)), delete())

    assert done[0].findings == []


async def test_object_that_cannot_be_read_is_a_finding() -> None:
    driver = WatchedDriver(await filled())
    driver.failing = {blob(LAYER), link(CONFIG)}

    found = await scrub(driver)

    assert {one.where for one in found.findings if one.kind == "unreadable"} == driver.failing
    assert found.report.wrong >= 2


async def test_store_that_is_down_ends_the_scrub_and_nothing_is_called_damaged() -> None:
    driver = await watched(*CONTENTS)
    driver.goes_down_at = in_order(driver)[-1]
    told: list[object] = []

    async def work() -> None:
        async with (
            threads() as opened,
            scrubbing(driver, opened, Plan(pause=0), told.append) as started,
        ):
            await started.hash_blobs()

    with pytest.raises(UnavailableError, match="no connection"):
        await work()

    assert told == []


async def test_store_that_cannot_be_written_is_scrubbed_all_the_same() -> None:
    driver = WatchedDriver(await watched(*CONTENTS))
    driver.is_read_only = True

    found = await scrub(driver, Plan(part=Part(sample=0.5), pause=0))

    assert "read-only file system" in found.report.unsaved
    assert found.findings == []


async def test_pace_is_kept_by_all_readers_together() -> None:
    loop = asyncio.get_running_loop()
    pace = Pace(1_000_000)
    began = loop.time()

    async def read() -> None:
        async for _ in pace.kept(chunks(*[bytes(10_000)] * 5)):
            pass

    await asyncio.gather(read(), read())

    assert loop.time() - began >= 0.099  # 100,000 bytes at a million a second


def test_front_moves_over_what_is_done_in_order() -> None:
    front = Front("")
    for place in "abc":
        front.begin(place)

    reached: list[str] = []
    for place in "bac":
        front.end(place)
        reached.append(front.reached)

    assert reached == ["", "b", "c"]


async def test_blobs_of_all_algorithms_come_in_the_order_of_their_digests() -> None:
    driver = DictionaryDriver({})
    digests = [
        Digest.of(bytes([n]), algorithm) for n in range(20) for algorithm in ("sha256", "sha512")
    ]
    for one in digests:
        put(driver, layout.blob(one), b"")
    ordered = sorted(digests, key=lambda one: (one.hex[:2], one.hex))

    found = [layout.digest_of_blob(entry.key) async for entry in entries(driver, "")]
    after = place_of(layout.blob(ordered[15]))
    rest = [layout.digest_of_blob(entry.key) async for entry in entries(driver, after)]

    assert found == ordered
    assert rest == ordered[16:]


@pytest.mark.parametrize("part", [0.0, 0.05, 0.5, 0.999])
def test_places_and_shares(part: float) -> None:
    assert share(place_at(part)) == pytest.approx(part, abs=1e-9)


@pytest.mark.parametrize(("place", "part"), [("", 0), ("80", 0.5), ("80/x", 0.5), ("zz/x", 0)])
def test_shares_of_odd_places(place: str, part: float) -> None:
    assert share(place) == part


async def test_what_one_scrub_found_damaged_another_repairs_without_hashing_all() -> None:
    driver = await watched(*CONTENTS)
    ordered = in_order(driver)
    source = DriverSource(DictionaryDriver(dict(driver.store)))
    put(driver, ordered[3], b"damaged")
    put(driver, ordered[5], b"damaged, and mended by somebody else")
    first = await scrub(driver)
    driver.store[ordered[5]] = await as_it_was(source, ordered[5])
    driver.read_blobs.clear()

    second = await scrub(driver, Plan(pause=0, blobs=False, repair=True), source)

    assert first.report.wrong == 2
    assert set(driver.read_blobs) == {ordered[3], ordered[5]}
    assert [(one.where, one.repaired) for one in second.findings] == [(ordered[3], True)]
    assert second.report.wrong == 0
    assert f"{layout.OURS}scrub/damaged.json" not in driver.store


async def test_damage_is_told_once_in_each_scrub_and_once_for_each_repository() -> None:
    driver = await watched(*CONTENTS)
    put(driver, in_order(driver)[3], b"damaged")

    for _ in range(3):
        found = await scrub(driver)

        assert [one.repository for one in found.findings] == ["", NAME.text]
        assert (found.report.wrong, found.report.blobs) == (1, 64)


async def as_it_was(source: DriverSource, key: str) -> Stored:
    found = layout.digest_of_blob(key)
    assert found is not None
    return Stored(b"".join([chunk async for chunk in source.blob(None, found)]), 0.0)


@pytest.mark.parametrize("content", [b"", b"{}", b"7", b'["md5:x"]'])
async def test_damaged_list_of_damaged_blobs_is_none(content: bytes) -> None:
    driver = await watched(*CONTENTS)
    put(driver, f"{layout.OURS}scrub/damaged.json", content)

    assert (await scrub(driver)).findings == []


async def test_memory_is_bounded_when_everything_seems_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doubts, "_WAITING", 10)
    driver = await watched()
    for number in range(300):
        put(driver, layout.layer_link(NAME, digest(bytes([number % 256, 1]))), b"")
    most: list[int] = []
    settle = Doubts.settle

    async def counted(waiting: Doubts, *, all_: bool = False) -> None:
        most.append(len(waiting))
        await settle(waiting, all_=all_)

    monkeypatch.setattr(Doubts, "settle", counted)

    found = await scrub(driver, Plan(pause=0.001, blobs=False))

    assert len(found.findings) == 256
    assert max(most) < 10 + 64  # what one batch adds
