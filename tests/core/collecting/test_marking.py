"""A mark gives all that nothing leads to, and never anything that is needed."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from tests.core.collecting.marked import (
    CONFIG,
    GRACE,
    NOW,
    YOUNG,
    Store,
    described,
    image,
    index,
    mark,
)
from tests.core.stores import keys
from tests.core.testing.dictionary import DictionaryDriver, Stored

from entrepot.core import layout
from entrepot.core.collecting.marking import MarkOptions, MarkReport, Untagged, unreachable
from entrepot.core.errors import StorageError, UnavailableError
from entrepot.core.manifest import LIMIT, OCI_INDEX
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.testing.faults import Fault, FaultyDriver

pytestmark = pytest.mark.anyio


async def test_nothing_that_an_image_needs() -> None:
    store = Store()
    store.image("app", [b"one", b"two"], "1")

    report = MarkReport()
    assert await mark(store, report=report) == []
    assert await mark(store, Untagged()) == []
    assert (report.repositories, report.manifests, report.layers, report.blobs) == (1, 1, 3, 4)


async def test_an_empty_store() -> None:
    assert await mark(Store()) == []


async def test_all_that_a_deleted_manifest_leaves() -> None:
    store = Store()
    store.image("app", [b"one"], "1")
    store.image("app", [b"two"], "2")
    gone = Digest.of(image([b"two"]))
    del store.driver.store[layout.revision_link(RepositoryName("app"), gone)]
    layer = Digest.of(b"two")

    garbage = await mark(store)

    assert {one.key for one in garbage} == {
        layout.blob(gone),
        layout.blob(layer),
        layout.layer_link(RepositoryName("app"), layer),
    }
    assert {(one.kind, one.repository, one.digest): one.size for one in garbage} == {
        ("layer", "app", layer): 0,
        ("blob", "", layer): 3,
        ("blob", "", gone): len(image([b"two"])),
    }
    assert all(one.reason for one in garbage)


async def test_links_to_manifests_then_links_to_blobs_then_blobs_each_in_order() -> None:
    store = Store()
    for name in ("a-b", "a", "a/b", "b"):
        for content in (b"1", b"2", b"3"):
            store.image(name, [content, name.encode()])

    garbage = await mark(store, Untagged())

    places = [
        (["revision", "layer", "blob"].index(one.kind), one.repository.split("/"), one.digest.hex)
        for one in garbage
    ]
    assert places == sorted(places)
    assert {one.key for one in garbage} == {
        key for key in await keys(store.driver) if "/tags/" not in key
    }


async def test_a_blob_that_another_repository_needs_stays() -> None:
    store = Store()
    store.image("keeps", [b"shared"], "1")
    store.layer("lost", b"shared")

    garbage = await mark(store)

    assert [(one.kind, one.repository) for one in garbage] == [("layer", "lost")]


@pytest.mark.parametrize("age", [0.0, YOUNG, GRACE])
async def test_what_is_young_stays(age: float) -> None:
    store = Store()
    store.blob(b"bytes alone", age=age)
    store.link("app", store.blob(b"old bytes"), age=age)

    assert await mark(store) == []


async def test_what_is_older_than_grace_does_not() -> None:
    store = Store()
    store.blob(b"bytes alone", age=GRACE + 1)
    store.link("app", store.blob(b"old bytes"), age=GRACE + 1)

    assert [one.kind for one in await mark(store)] == ["layer", "blob", "blob"]


async def test_without_grace_what_is_written_in_the_same_instant_stays() -> None:
    store = Store()
    store.blob(b"earlier", age=0.001)
    store.blob(b"same", age=0)

    assert [one.digest for one in await mark(store, grace=0)] == [Digest.of(b"earlier")]


async def test_strangers_objects_are_never_named() -> None:
    store = Store()
    digest = Digest.of(b"x")
    for key in [
        "docker/registry/v2/stray",
        f"{layout.BLOBS}sha256/zz/{digest.hex}/data",
        f"{layout.BLOBS}sha256/{digest.hex[:2]}/{digest.hex}/other",
        f"{layout.BLOBS}sha256/{digest.hex[:2]}/{digest.hex.upper()}/data",
        f"{layout.BLOBS}blake3/{digest.hex[:2]}/{digest.hex}/data",
        f"{layout.REPOSITORIES}app/_layers/sha256/{digest.hex}/other",
        f"{layout.REPOSITORIES}app/_layers/sha256/{digest.hex[:60]}/link",
        f"{layout.REPOSITORIES}app/_layers/blake3/{digest.hex}/link",
        f"{layout.REPOSITORIES}app/_manifests/revisions/sha256/{digest.hex}/signatures/x/link",
        f"{layout.REPOSITORIES}app/_referrers/sha256/{digest.hex}/descriptor.json",
        f"{layout.REPOSITORIES}UPPER/_layers/sha256/{digest.hex}/link",
        f"entrepot/sha256/{digest.hex}/link",
        f"other/sha256/{digest.hex[:2]}/{digest.hex}/data",
    ]:
        store.put(key, b"x")

    assert await mark(store, Untagged()) == []


async def test_empty_repositories_and_uploads() -> None:
    store = Store()
    store.put(f"{layout.REPOSITORIES}app/_uploads/x/startedat", b"")
    store.put(f"{layout.REPOSITORIES}empty/_manifests/tags/x", b"")

    assert await mark(store, Untagged()) == []


async def test_layers_of_a_repository_without_manifests() -> None:
    store = Store()
    store.layer("app", b"alone")

    assert [one.kind for one in await mark(store)] == ["layer", "blob"]


async def test_links_to_missing_blobs() -> None:
    store = Store()
    store.image("app", [b"named"], "1")
    del store.driver.store[layout.blob(Digest.of(b"named"))]
    store.link("app", Digest.of(b"unnamed"))

    garbage = await mark(store)

    assert [(one.kind, one.digest) for one in garbage] == [("layer", Digest.of(b"unnamed"))]


@pytest.mark.parametrize("untagged", [None, Untagged()])
async def test_a_child_of_an_index_whose_link_is_gone(untagged: Untagged | None) -> None:
    """Distribution 2 takes children of a tagged index for untagged."""
    store = Store()
    child, nested = image([b"one"]), image([b"two"])
    for content in (CONFIG, b"one", b"two"):
        store.layer("app", content)
    between = index([nested])
    for content in (child, nested, between):
        store.blob(content)
    store.manifest("app", index([child, between]), "1")

    assert await mark(store, untagged) == []


async def test_an_index_lists_what_is_nowhere() -> None:
    store = Store()
    store.manifest("app", index([image([b"elsewhere"])]), "1")
    report = MarkReport()

    assert await mark(store, report=report) == []
    assert report.damaged == 0


async def test_layers_that_an_index_lists_are_not_read_as_manifests() -> None:
    """Builders store caches like that."""
    store = Store()
    layer = store.layer("app", b"layer")
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    entry = described(b"layer", "application/vnd.oci.image.layer.v1.tar+gzip")
    store.manifest("app", json.dumps(document | {"manifests": [entry]}).encode(), "1")
    broken = UnavailableError(layout.blob(layer), "was read")
    driver = FaultyDriver(store.driver, Fault("read", broken, layout.blob(layer)))

    assert await mark(driver) == []


DAMAGES = {
    "missing": None,
    "empty": b"",
    "cut": image([b"one"])[:-1],
    "changed": image([b"eno"]),
    "large": b" " * (LIMIT + 1),
}


@pytest.mark.parametrize("untagged", [None, Untagged()])
@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_repository_is_left_alone(damage: str, untagged: Untagged | None) -> None:
    store = Store()
    digest = store.image("broken", [b"one"], "1")
    store.image("broken", [b"untagged"])
    store.layer("broken", b"unneeded")
    store.layer("whole", b"garbage")
    key = layout.blob(digest)
    content = DAMAGES[damage]
    if content is None:
        del store.driver.store[key]
    else:
        store.put(key, content)
    report = MarkReport()

    garbage = await mark(store, untagged, report)

    assert {(one.repository, one.digest) for one in garbage} == {
        ("whole", Digest.of(b"garbage")),
        ("", Digest.of(b"garbage")),
    }
    assert report.damaged == 1
    assert [each.repository for each in report.left_alone] == ["broken"]
    assert str(digest) in report.left_alone[0].reason


async def test_content_that_is_no_manifest_but_has_the_digest() -> None:
    store = Store()
    store.manifest("broken", b"[1, 2]", "1")
    store.manifest("nested", b"[" * 100_000, "1")
    report = MarkReport()

    assert await mark(store, report=report) == []
    assert report.damaged == 2


@pytest.mark.parametrize("content", [b"", b"sha256:", b"\xff\xff"])
@pytest.mark.parametrize("untagged", [None, Untagged()])
async def test_torn_links_are_tolerated(content: bytes, untagged: Untagged | None) -> None:
    store = Store()
    torn = store.image("app", [b"one"], "1")
    lost = Digest.of(b"lost")
    store.put(layout.revision_link(RepositoryName("app"), torn), content)
    store.put(layout.revision_link(RepositoryName("app"), lost), content, age=YOUNG)
    store.put(layout.layer_link(RepositoryName("app"), Digest.of(b"one")), content)
    store.put(layout.layer_link(RepositoryName("app"), Digest.of(b"", "sha512")), content, YOUNG)
    report = MarkReport()

    assert await mark(store, untagged, report) == []
    assert report.damaged == 0


async def test_an_error_of_the_storage_ends_the_mark() -> None:
    store = Store()
    digest = store.image("app", [b"one"], "1")
    broken = UnavailableError("k", "broken")
    faults = [
        Fault("read", broken, layout.blob(digest)),
        Fault("scan", broken, f"{layout.REPOSITORIES}app/_layers/*"),
        Fault("scan", broken, f"{layout.REPOSITORIES}app/_manifests/*"),
        Fault("scan", broken, f"{layout.BLOBS}sha256/7"),
        Fault("scan", broken, layout.REPOSITORIES),
    ]
    for fault in faults:
        with pytest.raises(StorageError, match="broken"):
            await mark(FaultyDriver(store.driver, fault))
        assert fault.met == 1


async def test_a_manifest_is_read_once_in_a_repository() -> None:
    store = Store()
    children = [image([], annotations={"n": str(n)}) for n in range(300)]
    store.layer("app", CONFIG)
    for n, child in enumerate(children):
        if n % 2:
            store.manifest("app", child)
        else:
            store.blob(child)
    for n in range(4):
        store.manifest("app", index(children, annotations={"n": str(n)}), f"tag-{n}")
    driver = CountingDriver(store.driver.store)

    assert await mark(driver, Untagged()) == []
    assert max(driver.reads.values()) == 1
    assert len([key for key in driver.reads if key.startswith(layout.BLOBS)]) == 304


async def test_a_manifest_of_several_repositories_is_read_once() -> None:
    store = Store()
    for name in ("a", "b", "c"):
        store.image(name, [b"one"], "1")
    driver = CountingDriver(store.driver.store)

    assert await mark(driver) == []
    assert driver.reads == {layout.blob(Digest.of(image([b"one"]))): 1}


class CountingDriver(DictionaryDriver):
    """Knows how often each object was read."""

    def __init__(self, store: dict[str, Stored]) -> None:
        super().__init__(store)
        self.reads: dict[str, int] = {}

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        self.reads[key] = self.reads.get(key, 0) + 1
        async with aclosing(super().read(key, start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk


async def test_an_index_of_ten_thousand_and_one_nested_a_thousand_deep() -> None:
    store = Store()
    entries = [f"{n}".encode() for n in range(10_000)]
    store.manifest("wide", index(entries), "1")
    content = image([b"deep"])
    store.image("deep", [b"deep"])
    for _ in range(1000):
        content = index([content])
        store.manifest("deep", content)
    store.tag("deep", "1", Digest.of(content))

    assert await mark(store, Untagged()) == []


async def test_closed_early_it_leaves_nothing_running() -> None:
    store = Store()
    for n in range(100):
        store.layer(f"app-{n}", str(n).encode())
    options = MarkOptions(GRACE, NOW)

    async with aclosing(unreachable(store.driver, options, MarkReport())) as garbage:
        first = await anext(garbage)

    assert first.kind == "layer"
