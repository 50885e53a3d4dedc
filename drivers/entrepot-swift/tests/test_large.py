"""Large objects: those of Distribution, manifests in manifests, segments that go with them."""

from __future__ import annotations

import pytest
from swift_fake import MIB, SEGMENTS, Fault, Stored, SwiftFake

from entrepot.core import FullError, OffsetError
from entrepot.core.testing.material import content, get, keys, pieces, put
from entrepot_swift.large import Large
from entrepot_swift.opening import opened

pytestmark = pytest.mark.anyio
FILES = "some/where/files/"
LAYER = "docker/registry/v2/blobs/sha256/ab/abcd/data"
UPLOAD = "docker/registry/v2/repositories/a/_uploads/0b0e5d11-3a5c-4b6e-9d6e-6f0a4ac4f7aa/data"


def distributed(fake: SwiftFake, key: str, data: bytes, made_for: str = UPLOAD) -> None:
    """A dynamic large object as Distribution 2.8 writes it."""
    name = (b"/" + made_for.encode() + bytes(52)).hex()
    where = f"some/where/segments/{name[:3]}/{name[3:]}"
    for number, at in enumerate(range(0, len(data), MIB), 1):
        fake.put(f"{where}/{number:016d}", data[at : at + MIB])
    fake.put(FILES + key, b"", x_object_manifest=f"images/{where}")


async def test_distributions_layer_is_read_and_listed_with_its_size(fake: SwiftFake) -> None:
    data = content(3 * MIB + 5)
    distributed(fake, LAYER, data)
    fake.put(f"{FILES}docker/empty", b"")
    async with opened(fake.options(), fake.transport) as driver:
        assert (await driver.stat(LAYER)).size == len(data)
        assert await get(driver, LAYER, MIB - 1, 2 * MIB + 1) == data[MIB - 1 : 2 * MIB + 1]
        found = [(entry.key, getattr(entry, "size", None)) async for entry in driver.scan("")]
        assert found == [("docker/empty", 0), (LAYER, len(data))]


async def test_distributions_layer_goes_with_its_segments(fake: SwiftFake) -> None:
    distributed(fake, LAYER, content(3 * MIB))
    async with opened(fake.options(), fake.transport) as driver:
        await driver.copy(LAYER, "copied")
        await driver.delete([LAYER])

        assert await get(driver, "copied") == content(3 * MIB)
        await driver.delete(["copied"])
    assert fake.names() == []


async def test_distributions_upload_is_not_gone_on_with(fake: SwiftFake) -> None:
    distributed(fake, UPLOAD, content(2 * MIB))
    upload = UPLOAD.removesuffix("/data")
    async with opened(fake.options(), fake.transport) as driver:
        assert await driver.upload(upload).size() == 0
        with pytest.raises(OffsetError, match="another program"):
            await driver.upload(upload).append(pieces(b"more"), 0)
        await driver.upload(upload).abort()

        assert await keys(driver) == []


async def test_move_that_distribution_did_not_end_loses_nothing(fake: SwiftFake) -> None:
    """The upload's manifest and the layer's are over the same segments."""
    data = content(2 * MIB)
    distributed(fake, LAYER, data)
    distributed(fake, UPLOAD, data)
    async with opened(fake.options(), fake.transport) as driver:
        await driver.upload(UPLOAD.removesuffix("/data")).abort()

        assert await keys(driver) == [LAYER]
        assert await get(driver, LAYER) == data


@pytest.mark.parametrize(
    "place", ["other/some/where/segments/abc/def", "images/segments/abc/def", "images/some/where/"]
)
async def test_segments_of_another_container_or_prefix_stay(fake: SwiftFake, place: str) -> None:
    """A copy of a container leads to the segments of the one it was copied from."""
    data = content(2 * MIB)
    distributed(fake, "kept", data)
    container, _, prefix = place.partition("/")
    fake.containers.setdefault(container, {})[f"{prefix}/1"] = Stored(data, {}, 0.0)
    fake.put(FILES + LAYER, b"", x_object_manifest=place)
    before = fake.containers[container].keys() - {FILES + LAYER}
    async with opened(fake.options(), fake.transport) as driver:
        await driver.delete([LAYER])

        assert await keys(driver) == ["kept"]
        assert await get(driver, "kept") == data
    assert fake.containers[container].keys() == before


async def test_static_object_with_segments_of_another_container(fake: SwiftFake) -> None:
    data = content(2 * MIB)
    async with opened(fake.options(container="images"), fake.transport) as driver:
        await put(driver, "a", data)
    fake.containers["copied"] = {f"{FILES}a": fake.containers["images"][f"{FILES}a"]}
    async with opened(fake.options(container="copied"), fake.transport) as driver:
        assert await get(driver, "a") == data
        await put(driver, "a", b"small")

    async with opened(fake.options(container="images"), fake.transport) as driver:
        assert await get(driver, "a") == data


async def test_large_object_below_a_prefix_whose_name_is_quoted(fake: SwiftFake) -> None:
    async with opened(fake.options(prefix="größe/50%25"), fake.transport) as driver:
        await driver.upload("u").append(pieces(content(2 * MIB)), 0)
        await driver.upload("u").commit("a", 2 * MIB)
        await driver.copy("a", "b")
        await driver.delete(["a"])

        assert await get(driver, "b") == content(2 * MIB)
        await driver.delete(["b"])
    assert fake.names() == []


def test_name_that_tells_no_key() -> None:
    assert not Large("images/segments/xyz/not hexadecimal").was_made_for("a")
    assert not Large("elsewhere").was_made_for("a")


@pytest.mark.parametrize("end", ["delete", "overwrite", "overwrite by a large one", "move"])
async def test_segments_go_with_their_object(fake: SwiftFake, end: str) -> None:
    async with opened(fake.options(), fake.transport) as driver:
        await put(driver, "a", content(3 * MIB))
        assert len(fake.names()) == 1 + 3
        if end == "delete":
            await driver.delete(["a"])
        elif end == "move":
            await driver.move("a", "b")
            await driver.delete(["b"])
        else:
            await put(driver, "a", content(2 * MIB) if "large" in end else b"small")

    left = {"overwrite": 1, "overwrite by a large one": 1 + 2}
    assert len(fake.names()) == left.get(end, 0)


async def test_more_segments_than_a_manifest_takes(fake: SwiftFake) -> None:
    data = content((SEGMENTS + 3) * MIB)
    async with opened(fake.options(), fake.transport) as driver:
        await put(driver, "a", data)
        assert await get(driver, "a", 5) == data[5:]
        await driver.copy("a", "b")
        await driver.delete(["a"])

        assert await get(driver, "b") == data
        await driver.delete(["b"])
    assert fake.names() == []


async def test_committed_upload_is_its_segments_and_nothing_else(fake: SwiftFake) -> None:
    data = content(3 * MIB + 100)
    async with opened(fake.options(), fake.transport) as driver:
        for at, end in ((0, 2 * MIB), (2 * MIB, 3 * MIB), (3 * MIB, len(data))):
            await driver.upload("u").append(pieces(data[at:end]), at)
        segments = {name for name in fake.names() if "/segments/" in name}
        sent = sum(len(each.content) for each in fake.requests)
        await driver.upload("u").commit("b", len(data))

        assert sum(len(each.content) for each in fake.requests) - sent < 2000
        assert await get(driver, "b") == data
        await driver.upload("u").abort()
        assert await get(driver, "b") == data
    assert set(fake.names()) == segments | {f"{FILES}b"}


async def test_upload_does_not_depend_on_what_a_listing_shows(fake: SwiftFake) -> None:
    data = content(3 * MIB)
    async with opened(fake.options(), fake.transport) as driver:
        await driver.upload("u").append(pieces(data[: 2 * MIB]), 0)
        fake.hidden |= set(fake.names())
        await driver.upload("u").append(pieces(data[2 * MIB :]), 2 * MIB)
        fake.hidden |= set(fake.names())

        assert await driver.upload("u").size() == len(data)
        await driver.upload("u").commit("b", len(data))
        assert await get(driver, "b") == data


async def test_commit_that_is_refused_keeps_the_upload(fake: SwiftFake) -> None:
    data = content(3 * MIB)
    async with opened(fake.options(), fake.transport) as driver:
        await driver.upload("u").append(pieces(data), 0)
        fake.faults = [Fault(lambda request: request.url.path.endswith("/files/b"), 507)]
        with pytest.raises(FullError):
            await driver.upload("u").commit("b", len(data))

        assert await driver.upload("u").size() == len(data)
        await driver.upload("u").commit("b", len(data))
        assert await get(driver, "b") == data


async def test_aborted_upload_leaves_nothing(fake: SwiftFake) -> None:
    async with opened(fake.options(), fake.transport) as driver:
        await driver.upload("u").append(pieces(content(3 * MIB)), 0)
        await driver.upload("u").abort()

    assert fake.names() == []


async def test_abort_after_a_commit_that_did_not_come_to_its_end(fake: SwiftFake) -> None:
    """Killed behind the manifest: the segments are the object's."""
    data = content(3 * MIB)
    async with opened(fake.options(), fake.transport) as driver:
        await driver.upload("u").append(pieces(data), 0)
        before = dict(fake.containers["images"])
        await driver.upload("u").commit("b", len(data))
        claim = next(each.url.path for each in fake.requests if each.url.path.endswith("/claim"))
        fake.containers["images"] |= before
        fake.put(claim.removeprefix("/v1/AUTH_project/images/"), b"b")

        await driver.upload("u").abort()

        assert await get(driver, "b") == data
        assert await keys(driver) == ["b"]
        await driver.delete(["b"])
    assert fake.names() == []


async def test_commit_to_another_place_than_the_one_before(fake: SwiftFake) -> None:
    """Two objects over the same segments would go with each other."""
    data = content(3 * MIB)
    async with opened(fake.options(), fake.transport) as driver:
        await driver.upload("u").append(pieces(data), 0)
        before = dict(fake.containers["images"])
        await driver.upload("u").commit("b", len(data))
        claim = next(each.url.path for each in fake.requests if each.url.path.endswith("/claim"))
        fake.containers["images"] |= before
        fake.put(claim.removeprefix("/v1/AUTH_project/images/"), b"b")

        with pytest.raises(OffsetError):
            await driver.upload("u").commit("c", len(data))
        with pytest.raises(OffsetError):
            await driver.upload("u").append(pieces(b"more"), len(data))
        await driver.upload("u").commit("b", len(data))

        assert await keys(driver) == ["b"]
        assert await get(driver, "b") == data
