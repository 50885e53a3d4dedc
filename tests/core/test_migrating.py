"""Migration of a store: everything, in a safe order, again and again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from tests.core.stores import CONFIG, chunks, image, index, put, verify
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import Driver, Entry, Prefix, UnavailableError, WrappingDriver, layout
from entrepot.core.globs import Glob, Globs
from entrepot.core.migrating import Choice, Pace, Totals, migrate
from entrepot.core.migrating.migration import EmptySourceError
from entrepot.core.migrating.totals import GivenUpError
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Registry, Rules, open_registry
from entrepot.core.streams import gather
from entrepot.core.testing import Fault, FaultyDriver

pytestmark = pytest.mark.anyio

APP, WEB = RepositoryName("team/app"), RepositoryName("web")
LAYER = b"layer" * 100
DOWN = UnavailableError("", "down")


@dataclass(slots=True)
class Told:
    """What a watcher hears."""

    bytes: int = 0
    failures: dict[str, str] = field(default_factory=dict[str, str])
    leavings: dict[str, str] = field(default_factory=dict[str, str])

    def passed(self, size: int) -> None:
        self.bytes += size

    def failed(self, key: str, reason: str) -> None:
        self.failures[key] = reason

    def left_out(self, key: str, reason: str) -> None:
        self.leavings[key] = reason


class KilledError(Exception):
    """The end of a process."""


class Strict(WrappingDriver):
    """A target that takes nothing before what it points to, and dies after `left` writes."""

    def __init__(self, driver: DictionaryDriver, left: int = 10_000) -> None:
        super().__init__(driver)
        self.store = driver.store
        self.left = left
        self.most = 0  # writes at a time
        self._now = 0

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            content = b"".join([chunk async for chunk in chunks])
            await asyncio.sleep(0)
            if not self.left:
                raise KilledError
            self.left -= 1
            await self._check(key, content)
            return await super().write(key, _again(content), create=create)
        finally:
            self._now -= 1

    async def _check(self, key: str, content: bytes) -> None:
        path, _, rest = key.removeprefix(layout.REPOSITORIES).partition("/_")
        name = RepositoryName(path)
        if rest.startswith(("layers/", "manifests/revisions/")):
            digest = Digest.parse(content.decode())
            await self.driver.stat(layout.blob(digest))
            if rest.startswith("manifests/"):
                await self._check_children(name, digest)
        elif rest.endswith("/current/link"):
            digest = Digest.parse(content.decode())
            await self.driver.stat(layout.revision_link(name, digest))
            tag = Tag(key.split("/")[-3])
            await self.driver.stat(layout.tag_history(name, tag, digest))

    async def _check_children(self, name: RepositoryName, digest: Digest) -> None:
        document = json.loads(await gather(self.driver, layout.blob(digest), 10_000))
        for child in document.get("manifests", []):
            link = layout.revision_link(name, Digest.parse(child["digest"]))
            await self.driver.stat(link)
        for blob in document.get("layers", []):
            await self.driver.stat(layout.layer_link(name, Digest.parse(blob["digest"])))


async def _again(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


async def push(registry: Registry, name: RepositoryName, tag: str, *layers: bytes) -> Digest:
    repository = registry.repository(name)
    for blob in (CONFIG, *layers):
        await repository.blobs.put(Digest.of(blob), chunks(blob))
    return (await repository.manifests.put(Tag(tag), image(layers), None)).digest


@asynccontextmanager
async def opened(driver: Driver) -> AsyncGenerator[Registry, None]:
    async with open_registry(driver, Rules()) as registry:
        yield registry


@pytest.fixture
async def source() -> DictionaryDriver:
    """A store with all that there is: an index, a referrer, a history, an alias, leftovers."""
    driver = DictionaryDriver({})
    async with opened(driver) as registry:
        first = await push(registry, APP, "1", LAYER)
        second = await push(registry, APP, "2", LAYER, b"another")
        await push(registry, APP, "1", b"newer")
        await push(registry, WEB, "1", LAYER)
        app = registry.repository(APP)
        contents = [image([LAYER]), image([LAYER, b"another"])]
        assert [first, second] == [Digest.of(one) for one in contents]
        await app.manifests.put(Tag("all"), index(contents), None)
        subject = {"mediaType": "x/y", "digest": str(first), "size": len(contents[0])}
        await app.manifests.put(Tag("signed"), image([], subject=subject), None)
        await app.uploads.start()
    await put(
        driver, layout.layer_link(APP, Digest.of(LAYER, "sha512")), str(Digest.of(LAYER)).encode()
    )
    await put(driver, layout.blob(Digest.of(b"nobody's")), b"nobody's")
    await put(driver, "entrepot/turns/uploadpurging/1", b"replica")
    await put(driver, "scheduler-state.json", b"{}")
    return driver


def target() -> Strict:
    return Strict(DictionaryDriver({}))


async def wanted(driver: Driver) -> dict[str, bytes]:
    """What has to be copied."""
    found = await contents(driver)
    return {
        key: content
        for key, content in found.items()
        if key.startswith("docker/") and "/_uploads/" not in key
    }


async def contents(driver: Driver) -> dict[str, bytes]:
    return {entry.key: await gather(driver, entry.key, 10_000) async for entry in driver.scan("")}


async def run(
    source: Driver, target: Driver, choice: Choice | None = None, told: Told | None = None
) -> Totals:
    return await migrate(source, target, choice or Choice(), told or Told())


def totals(**counts: int) -> Totals:
    return Totals(**counts)


# -- everything -------------------------------------------------------------------------


async def test_everything_is_copied_in_the_order_of_pushes(source: Driver) -> None:
    to, told = target(), Told()

    done = await run(source, to, told=told)

    expected = await wanted(source)
    assert await contents(to) == expected
    sizes = sum(map(len, expected.values()))
    assert done == totals(copied=len(expected), bytes=sizes)
    assert told == Told(bytes=told.bytes)
    async with opened(source) as old, opened(to) as new:
        for name in (APP, WEB):
            assert await verify(new, name) == await verify(old, name)


async def test_second_run_has_nothing_to_do(source: Driver) -> None:
    to = target()
    first = await run(source, to)
    before = dict(to.store)

    done = await run(source, to)

    assert done.copied == done.bytes == done.failed == 0
    assert done.skipped == first.copied
    assert to.store == before


async def test_next_run_takes_what_changed_and_removes_only_if_told(source: Driver) -> None:
    to = target()
    await run(source, to)
    async with opened(source) as registry:
        app = registry.repository(APP)
        await push(registry, APP, "2", b"changed")
        await app.tags.delete(Tag("1"))
        await app.manifests.delete(Digest.of(image([], subject=_subject())))
        await push(registry, RepositoryName("new"), "1", LAYER)

    done = await run(source, to)
    expected = await wanted(source)
    assert {key: (await contents(to))[key] for key in expected} == expected
    assert done.deleted == 0
    async with opened(to) as registry:
        assert "1" in await verify(registry, APP)

    done = await run(source, to, Choice(delete=True))
    assert await contents(to) == await wanted(source)
    assert done.deleted > 0


def _subject() -> dict[str, object]:
    content = image([LAYER])
    return {"mediaType": "x/y", "digest": str(Digest.of(content)), "size": len(content)}


async def test_all_that_is_killed_is_gone_on_with(source: Driver) -> None:
    everything = await wanted(source)
    store = DictionaryDriver({})
    runs = 0
    while await contents(store) != everything:
        runs += 1
        with suppress(KilledError):
            await run(source, Strict(store, left=3), Choice(width=1))

    assert runs == -(-len(everything) // 3)


async def test_no_more_objects_are_on_their_way_than_allowed(source: Driver) -> None:
    to = target()

    await run(source, to, Choice(width=2))

    assert to.most == 2


async def test_some_repositories_come_with_all_that_they_need(source: Driver) -> None:
    to = target()

    await run(source, to, Choice(Globs([Glob.parse("w*")])))

    expected = {key for key in await wanted(source) if f"/{WEB}/" in key}
    blobs = (CONFIG, LAYER, image([LAYER]))
    assert set(await contents(to)) == expected | {layout.blob(Digest.of(one)) for one in blobs}


async def test_deletion_touches_the_chosen_repositories_only(source: Driver) -> None:
    to = target()
    await run(source, to)
    async with opened(source) as registry:
        for name in (APP, WEB):
            await registry.repository(name).tags.delete(Tag("1"))

    await run(source, to, Choice(Globs([Glob.parse("web")]), delete=True))

    async with opened(to) as registry:
        assert await verify(registry, WEB) == {}
        assert "1" in await verify(registry, APP)


async def test_deletion_is_refused_where_the_source_has_nothing(source: Driver) -> None:
    to = target()
    await run(source, to)

    with pytest.raises(EmptySourceError, match="nothing is deleted"):
        await run(DictionaryDriver({}), to, Choice(delete=True))

    assert await contents(to) == await wanted(source)


@pytest.mark.parametrize("globs", [None, Globs([Glob.parse("**")])], ids=["all", "by glob"])
async def test_dry_run_counts_what_a_run_would_do_and_does_nothing(
    source: Driver, globs: Globs | None
) -> None:
    to = target()
    said = await run(source, to, Choice(globs, dry_run=True))
    assert await contents(to) == {}
    assert said == await run(source, to, Choice(globs))

    async with opened(source) as registry:
        await push(registry, WEB, "1", b"changed")
        await registry.repository(APP).tags.delete(Tag("1"))
    said = await run(source, to, Choice(globs, delete=True, dry_run=True))
    assert said == await run(source, to, Choice(globs, delete=True))
    assert said.deleted


# -- what is wrong ----------------------------------------------------------------------


async def test_damaged_blob_is_told_and_not_copied_and_the_rest_goes_on(source: Driver) -> None:
    await put(source, layout.blob(Digest.of(b"another")), b"anothxr")
    to, told = DictionaryDriver({}), Told()

    done = await run(source, to, told=told)

    blob, link = layout.blob(Digest.of(b"another")), layout.layer_link(APP, Digest.of(b"another"))
    assert set(await wanted(source)) - set(await contents(to)) == {blob, link}
    assert (done.failed, list(told.failures)) == (1, [blob])
    assert "is damaged" in told.failures[blob]


async def test_image_whose_manifest_is_damaged_gets_no_tag(source: Driver) -> None:
    digest = Digest.of(image([b"newer"]))
    await put(source, layout.blob(digest), b"{}")
    to, told = target(), Told()

    done = await run(source, to, told=told)

    assert done.failed == 1
    assert told.leavings == {
        layout.tag_link(APP, Tag("1")): f"the manifest {digest} was not copied"
    }
    async with opened(to) as registry:
        assert set(await verify(registry, APP)) == {"2", "all", "signed"}


async def test_what_points_to_nothing_is_left_out_and_is_no_failure(source: Driver) -> None:
    layer, manifest = Digest.of(b"another"), Digest.of(image([LAYER]))
    await source.delete([layout.blob(layer), layout.blob(manifest)])
    await put(source, layout.tag_link(APP, Tag("torn")), b"sha256:12")
    to, told = DictionaryDriver({}), Told()

    done = await run(source, to, told=told)

    assert done.failed == 0
    copied = await contents(to)
    for name in (APP, WEB):
        assert layout.revision_link(name, manifest) not in copied
        assert told.leavings[layout.revision_link(name, manifest)]
    assert layout.layer_link(APP, layer) not in copied
    assert told.leavings[layout.tag_link(APP, Tag("torn"))] == "the tag's link is damaged"
    assert told.leavings[layout.tag_link(WEB, Tag("1"))] == (
        f"the source does not have the manifest {manifest}"
    )


async def test_blob_that_the_target_has_in_another_size_is_copied_again(source: Driver) -> None:
    to = target()
    await put(to.driver, layout.blob(Digest.of(LAYER)), LAYER[:7])

    await run(source, to)

    assert await contents(to) == await wanted(source)


@pytest.mark.parametrize("globs", [None, Globs([Glob.parse("**")])], ids=["all", "by glob"])
async def test_verification_finds_what_the_target_has_damaged(
    source: Driver, globs: Globs | None
) -> None:
    to = target()
    await run(source, to)
    link = layout.layer_link(APP, Digest.of(LAYER))
    await put(to.driver, layout.blob(Digest.of(LAYER)), b"x" * len(LAYER))
    await put(to.driver, link, str(Digest.of(b"x")).encode())

    assert (await run(source, to, Choice(globs))).copied == 0
    done = await run(source, to, Choice(globs, verify=True))

    assert (done.copied, done.bytes) == (2, len(LAYER) + 71)
    assert await contents(to) == await wanted(source)


async def test_repository_that_cannot_be_listed_gets_no_tags(source: Driver) -> None:
    faulty = FaultyDriver(source, Fault("scan", DOWN, keys=layout.layers(APP)))
    to, told = target(), Told()

    done = await run(faulty, to, told=told)

    assert told.failures == {layout.repository(APP): "storage: down"}
    assert done.failed == 1
    async with opened(to) as registry:
        assert await verify(registry, APP) == {}
        assert set(await verify(registry, WEB)) == {"1"}


async def test_object_that_one_store_refuses_is_told_and_the_rest_goes_on(source: Driver) -> None:
    tag = layout.tag_link(APP, Tag("2"))
    to, told = FaultyDriver(target(), Fault("write", DOWN, keys=tag)), Told()

    done = await run(source, to, told=told)

    assert told.failures == {tag: "storage: down"}
    assert done.copied == len(await wanted(source)) - 1
    assert (await run(source, to)).copied == 1


async def test_run_gives_up_when_nothing_succeeds_any_more() -> None:
    driver = DictionaryDriver({})
    for number in range(200):
        content = b"%d" % number
        await put(driver, layout.blob(Digest.of(content)), content)
    to, told = FaultyDriver(target(), Fault("write", DOWN, times=None)), Told()

    with pytest.raises(GivenUpError, match="100 objects in a row"):
        await run(driver, to, told=told)

    assert 100 <= len(told.failures) <= 108


# -- what happens meanwhile -------------------------------------------------------------


async def test_image_pushed_after_its_kind_was_listed_comes_with_its_tag(source: Driver) -> None:
    """Also where pushes do not go through a mirror."""

    class Pushing(WrappingDriver):
        def scan(
            self, prefix: str, *, after: str = "", delimiter: str = ""
        ) -> AsyncGenerator[Entry | Prefix, None]:
            return self._behind_a_push(
                prefix, super().scan(prefix, after=after, delimiter=delimiter)
            )

        async def _behind_a_push(
            self, prefix: str, entries: AsyncGenerator[Entry | Prefix, None]
        ) -> AsyncGenerator[Entry | Prefix, None]:
            if prefix == layout.tags(WEB):
                async with opened(source) as registry:
                    await push(registry, WEB, "late", b"late")
            async for item in entries:
                yield item

    to = target()

    await run(Pushing(source), to)

    async with opened(to) as registry:
        assert set(await verify(registry, WEB)) == {"1", "late"}


async def test_tag_that_moves_while_it_is_copied_comes_as_it_is_at_last(source: Driver) -> None:
    link = layout.tag_link(WEB, Tag("1"))

    class Moving(Strict):
        async def write(
            self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False
        ) -> Entry:
            entry = await super().write(key, chunks, create=create)
            if key == link:
                async with opened(source) as registry:
                    await push(registry, WEB, "1", b"moved")
            return entry

    to, told = Moving(DictionaryDriver({})), Told()

    await run(source, to, told=told)

    assert told.failures == {}

    async with opened(to) as registry:
        assert await verify(registry, WEB) == {"1": Digest.of(image([b"moved"]))}


async def test_pace_lets_a_rate_pass_whoever_spends_it() -> None:
    now, slept = [100.0], list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    pace = Pace(1000, lambda: now[0], sleep)
    for size in (500, 1500, 1000):
        await pace.spend(size)
    now[0] += 60
    await pace.spend(100)

    assert slept == pytest.approx([0.5, 2.0, 3.0, 0.1])


async def test_no_pace_waits_for_nothing() -> None:
    async def never(_: float) -> None:
        raise AssertionError

    await Pace(0, sleep=never).spend(10**12)
