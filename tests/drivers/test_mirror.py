"""The mirror: what is in which store, also when one of them fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.core.stores import CONFIG, NAME, chunks, image, open_repository, put, upload, verify
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import (
    ConfigurationError,
    DeleteError,
    Driver,
    ExistsError,
    NotFoundError,
    OffsetError,
    Prefix,
    UnavailableError,
    layout,
)
from entrepot.core.configuration import load
from entrepot.core.layers import layers, wrapped
from entrepot.core.names import Digest, Tag
from entrepot.core.plugins import load_plugins
from entrepot.core.registry import Rules, open_registry
from entrepot.core.streams import gather, once
from entrepot.core.testing import Fault, FaultyDriver
from entrepot.core.threads import Threads
from entrepot.drivers.inmemory import InMemoryDriver
from entrepot.drivers.mirror import MirrorDriver

pytestmark = pytest.mark.anyio

CONTENT = b"content"
DIGEST = Digest.of(CONTENT)
BLOB = layout.blob(DIGEST)
LINK = layout.layer_link(NAME, DIGEST)
TOKEN = f"{layout.repository(NAME)}_uploads/u"
DOWN = UnavailableError("", "down")


@dataclass(slots=True)
class Stores:
    """Two stores and what stands in front of them."""

    first: FaultyDriver
    second: FaultyDriver
    driver: Driver
    swapped: Driver  # of a replica that has them the other way round


@pytest.fixture(params=["own uploads", "staged uploads"])
def them(request: pytest.FixtureRequest) -> Stores:
    def made() -> FaultyDriver:
        is_own = request.param == "own uploads"
        return FaultyDriver(InMemoryDriver() if is_own else DictionaryDriver({}))

    first, second, threads = made(), made(), Threads(1)
    mirrors = [MirrorDriver(*pair, threads) for pair in ((first, second), (second, first))]
    return Stores(first, second, *mirrors)


async def contents(driver: Driver) -> dict[str, bytes]:
    return {entry.key: await gather(driver, entry.key, 10_000) async for entry in driver.scan("")}


async def alike(them: Stores) -> dict[str, bytes]:
    found = await contents(them.first)
    assert found == await contents(them.second)
    return found


# -- writing ----------------------------------------------------------------------------


async def test_what_is_written_is_in_both_stores(them: Stores) -> None:
    await them.driver.write("a", chunks(b"1", b"", b"2"))
    await them.driver.write("a", chunks(b"3"))

    assert await alike(them) == {"a": b"3"}


async def test_first_store_has_nothing_that_the_second_refused(them: Stores) -> None:
    them.second.faults.append(Fault("write", DOWN, when="midway"))

    with pytest.raises(UnavailableError, match="down"):
        await them.driver.write("a", chunks(b"1", b"2"))

    assert await alike(them) == {}


async def test_first_store_gets_the_end_only_when_the_second_has_it_all(them: Stores) -> None:
    await put(them.driver, "a", b"old")
    them.second.faults.append(Fault("write", DOWN, when="after"))

    with pytest.raises(UnavailableError, match="down"):
        await put(them.driver, "a", b"new")

    assert await gather(them.first, "a", 10) == b"old"


async def test_failure_of_the_first_is_told_and_reading_knows_nothing_of_it(them: Stores) -> None:
    await put(them.driver, "a", b"old")
    them.first.faults.append(Fault("write", DOWN))

    with pytest.raises(UnavailableError, match="down"):
        await put(them.driver, "a", b"new")

    assert await gather(them.driver, "a", 10) == b"old"


async def test_error_of_a_stream_comes_out_and_leaves_both_as_they_were(them: Stores) -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"1"
        raise LookupError("the client left")

    with pytest.raises(LookupError, match="the client left"):
        await them.driver.write("a", broken())

    assert await alike(them) == {}


async def test_creation_is_decided_by_the_first_store_and_followed_by_the_second(
    them: Stores,
) -> None:
    await put(them.second, "a", b"left")

    await them.driver.write("a", once(b"won"), create=True)
    with pytest.raises(ExistsError):
        await them.driver.write("a", once(b"lost"), create=True)

    assert await alike(them) == {"a": b"won"}
    assert them.driver.exclusive_create
    assert not them.driver.collectable, "replicas may ask different stores"


# -- reading ----------------------------------------------------------------------------


async def test_what_only_the_second_has_is_found(them: Stores) -> None:
    await put(them.second, "a", b"12")

    assert (await them.driver.stat("a")).size == 2
    assert await gather(them.driver, "a", 10) == b"12"
    assert [chunk async for chunk in them.driver.read("a", 1)] == [b"2"]


async def test_second_store_is_not_asked_while_the_first_does_not_answer(them: Stores) -> None:
    await put(them.second, "a")
    them.first.faults.extend([Fault("stat", DOWN), Fault("read", DOWN)])

    with pytest.raises(UnavailableError):
        await them.driver.stat("a")
    with pytest.raises(UnavailableError):
        await gather(them.driver, "a", 10)


async def test_what_is_lost_while_it_is_read_is_not_begun_again(them: Stores) -> None:
    await put(them.driver, "a", b"12")
    them.first.faults.append(Fault("read", NotFoundError("a"), when="midway"))

    with pytest.raises(NotFoundError):
        await gather(them.driver, "a", 10)


async def test_listings_are_merged_in_byte_order_without_duplicates(them: Stores) -> None:
    for key in ("a-b", "a/1", "c", "d/1"):
        await put(them.first, key)
    for key in ("a/1", "a/2", "b/1", "c", "e"):
        await put(them.second, key, b"xx")

    found = [(item.key, isinstance(item, Prefix)) async for item in them.driver.scan("")]
    folded = [item async for item in them.driver.scan("", after="a-b", delimiter="/")]

    names = ["a-b", "a/1", "a/2", "b/1", "c", "d/1", "e"]
    assert found == [(name, False) for name in names]
    assert [item.key for item in folded] == ["a/", "b/", "c", "d/", "e"]
    sizes = {item.key: item.size for item in folded if not isinstance(item, Prefix)}
    assert sizes == {"c": 1, "e": 2}, "of what both have, the first one's"


@pytest.mark.parametrize(
    ("where", "links", "wanted"),
    [("first", "both", "1"), ("second", "both", "2"), ("second", "second", None)],
)
async def test_links_are_of_the_first_store_that_has_it(
    where: str, links: str, wanted: str | None
) -> None:
    class Linking(InMemoryDriver):
        def __init__(self, url: str | None) -> None:
            super().__init__()
            self.url = url

        async def link(self, key: str, method: str, seconds: int) -> str | None:
            return self.url

    first, second = Linking("1" if links == "both" else None), Linking("2")
    await put(first if where == "first" else second, "a")

    assert await MirrorDriver(first, second, Threads(1)).link("a", "GET", 1) == wanted


# -- deleting ---------------------------------------------------------------------------


async def test_deletion_goes_to_both(them: Stores) -> None:
    await put(them.driver, "a")
    await put(them.second, "b")

    await them.driver.delete(["a", "b", "c"])

    assert await alike(them) == {}


async def test_what_one_store_does_not_delete_is_told_and_tried_again(them: Stores) -> None:
    for key in ("a", "b", "c"):
        await put(them.driver, key)
    them.first.faults.append(Fault("delete", DeleteError({"a": DOWN})))

    with pytest.raises(DeleteError) as caught:
        await them.driver.delete(["a"])
    assert set(caught.value.failures) == {"a"}
    assert set(await alike(them)) == {"a", "b", "c"}, "the second keeps what the first has"

    them.second.faults.append(Fault("delete", DeleteError({"b": DOWN})))
    with pytest.raises(DeleteError) as caught:
        await them.driver.delete(["b", "c"])
    assert set(caught.value.failures) == {"b"}

    await them.driver.delete(["a", "b"])
    assert await alike(them) == {}


# -- copies -----------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["first", "second", "both"])
async def test_copy_and_move_work_from_wherever_it_is(them: Stores, where: str) -> None:
    places = {"first": [them.first], "second": [them.second], "both": [them.first, them.second]}
    for place in places[where]:
        await put(place, "a", CONTENT)

    await them.driver.copy("a", "b")
    await them.driver.move("a", "c")

    assert await alike(them) == {"b": CONTENT, "c": CONTENT}


# -- uploads ----------------------------------------------------------------------------


async def test_upload_gathers_in_the_first_and_ends_in_both(them: Stores) -> None:
    began = await them.driver.upload(TOKEN).append(once(CONTENT[:3]), 0)
    assert await them.second.upload(TOKEN).size() == 0

    await them.driver.upload(TOKEN).append(once(CONTENT[3:]), began)
    await them.driver.upload(TOKEN).commit(BLOB, len(CONTENT))

    assert await alike(them) == {BLOB: CONTENT}
    assert await them.driver.upload(TOKEN).size() == 0


async def test_upload_is_gone_on_with_by_a_replica_that_has_the_stores_swapped(
    them: Stores,
) -> None:
    await them.driver.upload(TOKEN).append(once(CONTENT[:3]), 0)

    assert await them.swapped.upload(TOKEN).size() == 3
    await them.swapped.upload(TOKEN).append(once(CONTENT[3:]), 3)
    await them.swapped.upload(TOKEN).commit(BLOB, len(CONTENT))

    assert await alike(them) == {BLOB: CONTENT}


async def test_upload_that_both_stores_have_bytes_of_is_refused(them: Stores) -> None:
    await them.first.upload(TOKEN).append(once(CONTENT), 0)
    await them.second.upload(TOKEN).append(once(b"another"), 0)

    with pytest.raises(OffsetError, match="two replicas"):
        await them.driver.upload(TOKEN).commit(BLOB, len(CONTENT))
    await them.driver.upload(TOKEN).abort()

    assert await alike(them) == {}


async def test_what_is_kept_of_an_upload_is_in_the_first_and_removed_from_both(
    them: Stores,
) -> None:
    async with open_repository(them.driver) as repository:
        id_ = await upload(repository, CONTENT)
        assert await contents(them.second) == {}

        async with open_repository(them.swapped) as other:
            session = await other.uploads.find(id_)
            await session.commit(DIGEST)

        assert set(await alike(them)) == {BLOB, LINK}


async def test_commit_is_not_told_before_the_second_store_has_it_and_can_be_repeated(
    them: Stores,
) -> None:
    them.second.faults.append(Fault("write", DOWN, keys=BLOB))
    async with open_repository(them.driver) as repository:
        id_ = await upload(repository, CONTENT)
        session = await repository.uploads.find(id_)

        with pytest.raises(UnavailableError):
            await session.commit(DIGEST)
        assert not await repository.blobs.has(DIGEST)

        await (await repository.uploads.find(id_)).commit(DIGEST)

    assert set(await alike(them)) == {BLOB, LINK}


async def test_second_store_does_not_get_what_the_first_gives_back_damaged(them: Stores) -> None:
    await put(them.first, BLOB, b"damaged")

    with pytest.raises(UnavailableError, match="is damaged"):
        await put(them.driver, LINK, str(DIGEST).encode())

    assert await contents(them.second) == {}


@pytest.mark.parametrize("where", ["first", "second"])
async def test_link_is_written_when_both_stores_have_its_blob(them: Stores, where: str) -> None:
    """A client that was told of the blob, or mounts it, does not push it again."""
    await put(them.first if where == "first" else them.second, BLOB, CONTENT)

    async with open_repository(them.driver) as repository:
        await repository.blobs.mount(DIGEST, None)

    assert set(await alike(them)) == {BLOB, LINK}


# -- whole ------------------------------------------------------------------------------


async def test_push_through_the_mirror_is_whole_in_each_store(them: Stores) -> None:
    layer = b"layer"
    async with open_repository(them.driver) as repository:
        for blob in (CONFIG, layer):
            id_ = await upload(repository, blob)
            await (await repository.uploads.find(id_)).commit(Digest.of(blob))
        pushed = await repository.manifests.put(Tag("1"), image([layer]), None)

    await alike(them)
    for store in (them.first, them.second):
        async with open_registry(store, Rules()) as registry:
            assert await verify(registry, NAME) == {"1": pushed.digest}


async def test_second_store_is_configured_like_storage(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/a}}}}\n"
        "middleware: {storage: [{name: mirror, options: {storage: "
        f"{{filesystem: {{rootdirectory: {tmp_path}/b}}}}}}}}]}}\n"
    )
    plugins = load_plugins()
    configuration = load(path, {}, plugins.models).configuration
    registered = plugins.driver("filesystem")
    options = registered.options.model_validate({"rootdirectory": f"{tmp_path}/a"})

    async with (
        registered.open(options) as first,
        wrapped(first, layers(configuration, plugins)) as driver,
    ):
        await put(driver, "k", CONTENT)

    assert [(tmp_path / name / "k").read_bytes() for name in "ab"] == [CONTENT, CONTENT]


def test_mistakes_of_the_second_store_have_their_path(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text(
        "version: 0.1\nstorage: inmemory\nmiddleware:\n  storage:\n    - name: mirror\n"
        "      options: {storage: {filesystem: {rootdirectoy: /data}}}\n"
    )

    with pytest.raises(ConfigurationError) as caught:
        load(path, {}, load_plugins().models)

    assert str(caught.value) == (
        "middleware.storage.0.options.storage.filesystem.rootdirectoy: unknown key; "
        f"did you mean 'rootdirectory'? [file {path} line 6]"
    )
