"""Every kind of damage is found, and repaired where it can be derived."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.core.scrubbed import (
    ALIASED,
    CHILD,
    ENTRY,
    HISTORY,
    IMAGE,
    INDEX,
    LATEST,
    LAYER,
    NAME,
    OTHER,
    SIGNATURE,
    blob,
    contents,
    digest,
    filled,
    link,
    put,
    revision,
    scrub,
)
from tests.core.stores import CONFIG, open_repository
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.content import Platforms
from entrepot.core.names import Digest, Tag
from entrepot.core.scrubbing.findings import KINDS
from entrepot.core.scrubbing.running import Plan
from entrepot.core.scrubbing.sources import DriverSource

pytestmark = pytest.mark.anyio

REPAIR = Plan(pause=0, repair=True)
ALIAS = layout.layer_link(NAME, Digest.of(ALIASED, "sha512"))
FOLDER = layout.repository(NAME)


@dataclass(frozen=True)
class Damage:
    """What is done to a filled store: None removes an object.

    `alone` is whether it is repaired without a source, `healed` whether with one. The store is
    then as it was, if `alone` or `healed`.
    """

    name: str
    objects: dict[str, bytes | None]
    kinds: set[str]
    where: str
    alone: bool = False
    healed: bool = False


DAMAGES = [
    Damage("blob bytes", {blob(LAYER): b"x" * 700}, {"blob-damaged"}, blob(LAYER), healed=True),
    Damage("blob cut", {blob(LAYER): LAYER[:-1]}, {"blob-damaged"}, blob(LAYER), healed=True),
    Damage("blob gone", {blob(LAYER): None}, {"blob-missing"}, blob(LAYER), healed=True),
    Damage("config gone", {blob(CONFIG): None}, {"blob-missing"}, blob(CONFIG), healed=True),
    Damage(
        "blob and link gone",
        {blob(OTHER): None, link(OTHER): None},
        {"blob-missing"},
        blob(OTHER),
        healed=True,
    ),
    Damage(
        "manifest bytes",
        {blob(IMAGE): b"{}"},
        {"blob-damaged", "manifest-damaged"},
        blob(IMAGE),
        healed=True,
    ),
    Damage("manifest gone", {blob(IMAGE): None}, {"manifest-missing"}, blob(IMAGE), healed=True),
    Damage("layer link gone", {link(OTHER): None}, {"layer-link-missing"}, link(OTHER), alone=True),
    Damage(
        "layer link torn",
        {link(OTHER): b""},
        {"link-damaged", "layer-link-missing"},
        link(OTHER),
        alone=True,
    ),
    Damage(
        "layer link of another",
        {link(OTHER): str(digest(LAYER)).encode()},
        {"link-damaged", "layer-link-missing"},
        link(OTHER),
        alone=True,
    ),
    Damage("alias torn", {ALIAS: bytes(71)}, {"link-damaged"}, ALIAS),
    Damage("alias wrong", {ALIAS: str(digest(LAYER)).encode()}, {"link-damaged"}, ALIAS),
    Damage("alias of nothing", {blob(ALIASED): None}, {"link-stale"}, ALIAS),
    Damage(
        "revision torn", {revision(IMAGE): b"sha256:12"}, {"link-damaged"}, revision(IMAGE), True
    ),
    Damage(
        "child unlinked", {revision(CHILD): None}, {"child-link-missing"}, revision(CHILD), True
    ),
    Damage(
        "child gone",
        {revision(CHILD): None, blob(CHILD): None},
        {"child-missing"},
        revision(CHILD),
        healed=True,
    ),
    Damage("tag torn", {LATEST: b""}, {"tag-damaged"}, LATEST, alone=True),
    Damage(
        "tag dangles",
        {revision(INDEX): None},
        {"tag-dangling"},
        tag_link := layout.tag_link(NAME, Tag("all")),
        True,
    ),
    Damage(
        "tag of nothing",
        {revision(INDEX): None, blob(INDEX): None},
        {"tag-dangling"},
        tag_link,
        healed=True,
    ),
    Damage("history gone", {HISTORY: None}, {"history-missing"}, HISTORY, alone=True),
    Damage("history torn", {HISTORY: b"sha"}, {"history-damaged"}, HISTORY, alone=True),
    Damage("entry gone", {ENTRY: None}, {"referrer-missing"}, ENTRY, alone=True),
    Damage("entry torn", {ENTRY: b"{"}, {"referrer-damaged"}, ENTRY, alone=True),
    Damage("entry alone", {revision(SIGNATURE): None}, {"referrer-orphan"}, ENTRY),
    Damage("current gone", {LATEST: None}, {"tag-unfinished"}, LATEST),
    Damage(
        "stray link",
        {f"{FOLDER}_layers/sha256/short/link": b""},
        {"stray"},
        f"{FOLDER}_layers/sha256/short/link",
    ),
    Damage("left over", {link(LAYER) + ".1.tmp": b""}, {"temporary"}, link(LAYER) + ".1.tmp"),
    Damage("left over of a blob", {blob(LAYER) + ".tmp": b""}, {"temporary"}, blob(LAYER) + ".tmp"),
    Damage(
        "stray blob", {layout.BLOBS + "sha256/ab/x": b""}, {"stray"}, layout.BLOBS + "sha256/ab/x"
    ),
    Damage(
        "algorithm", {layout.BLOBS + "md5/ab/x/data": b""}, {"not-a-name"}, layout.BLOBS + "md5/"
    ),
    Damage(
        "repository",
        {layout.REPOSITORIES + "Team/_layers/x": b""},
        {"not-a-name"},
        layout.REPOSITORIES + "Team/",
    ),
    Damage(
        "file", {layout.REPOSITORIES + "team/x": b""}, {"stray"}, layout.REPOSITORIES + "team/x"
    ),
]


def damaged(driver: DictionaryDriver, damage: Damage) -> None:
    for key, content in damage.objects.items():
        if content is None:
            del driver.store[key]
        else:
            put(driver, key, content)


@pytest.fixture(params=DAMAGES, ids=lambda damage: damage.name)
def damage(request: pytest.FixtureRequest) -> Damage:
    found: Damage = request.param
    return found


async def test_healthy_store_has_no_findings() -> None:
    found = await scrub(await filled())

    assert found.findings == []
    assert (found.report.blobs, found.report.repositories) == (8, 1)
    assert found.report.bytes == sum(
        map(len, [CONFIG, LAYER, OTHER, ALIASED, IMAGE, CHILD, INDEX, SIGNATURE])
    )
    assert found.report.wrong == 0


async def test_damage_is_found_and_nothing_is_touched(damage: Damage) -> None:
    driver = await filled()
    damaged(driver, damage)
    before = contents(driver)

    found = await scrub(driver)

    assert set(found.kinds) == damage.kinds
    assert damage.where in {one.where for one in found.findings}
    assert all(one.remedy for one in found.findings)
    is_wrong = any(KINDS[kind][0] == "wrong" for kind in damage.kinds)
    assert (found.report.wrong > 0) == is_wrong
    assert contents(driver) == before


async def test_repair_without_a_source(damage: Damage) -> None:
    driver = await filled()
    whole = contents(driver)
    damaged(driver, damage)
    before = contents(driver)

    found = await scrub(driver, REPAIR)

    if damage.alone:
        assert contents(driver) == whole
        assert found.kinds == []
        assert (found.report.wrong, found.report.harmless) == (0, 0)
    elif damage.name == "entry alone":
        assert contents(driver) == {key: before[key] for key in before if key != ENTRY}
    else:
        assert contents(driver) == before
        assert set(found.kinds) == damage.kinds
    assert (await scrub(driver)).kinds == found.kinds


async def test_repair_from_another_store(damage: Damage) -> None:
    driver, source = await filled(), DriverSource(await filled())
    whole = contents(driver)
    damaged(driver, damage)

    await scrub(driver, REPAIR, source)

    assert (contents(driver) == whole) == (damage.alone or damage.healed)


async def test_source_that_has_other_bytes_changes_nothing() -> None:
    driver, other = await filled(), await filled()
    put(driver, blob(LAYER), b"damaged")
    put(other, blob(LAYER), b"damaged, too")
    before = contents(driver)

    found = await scrub(driver, REPAIR, DriverSource(other))

    assert contents(driver) == before
    assert found.report.wrong == 1
    assert "has bytes with the digest" in found.findings[0].failure


async def test_source_that_has_nothing_is_told() -> None:
    driver = await filled()
    del driver.store[blob(IMAGE)]

    found = await scrub(driver, REPAIR, DriverSource(DictionaryDriver({})))

    assert {one.failure for one in found.findings} == {"the other store does not have it"}


async def test_tag_that_pointed_to_several_is_not_guessed() -> None:
    driver = await filled()
    async with open_repository(driver) as repository:
        await repository.manifests.put(Tag("latest"), CHILD, None)
    put(driver, LATEST, b"")

    found = await scrub(driver, REPAIR)

    assert found.kinds == ["tag-damaged"]
    assert driver.store[LATEST].content == b""


async def test_tag_whose_other_manifests_are_gone_for_good_is_repaired() -> None:
    driver = await filled()
    async with open_repository(driver) as repository:
        await repository.manifests.put(Tag("latest"), CHILD, None)
        await repository.manifests.delete(digest(SIGNATURE))
        await repository.manifests.delete(digest(IMAGE))
    put(driver, LATEST, b"")

    assert (await scrub(driver, REPAIR)).kinds == ["tag-damaged"]  # its bytes are there
    del driver.store[blob(IMAGE)]
    assert (await scrub(driver, REPAIR)).kinds == []
    assert driver.store[LATEST].content == str(digest(CHILD)).encode()


async def test_stale_link_that_a_manifest_needs_is_not_called_harmless() -> None:
    driver = await filled()
    del driver.store[blob(LAYER)]

    found = await scrub(driver)

    assert found.kinds == ["blob-missing"]
    assert {str(digest(IMAGE)), str(digest(CHILD)), str(digest(SIGNATURE))} >= {
        one.what.split()[-3] for one in found.findings
    }


async def test_children_that_the_configuration_does_without() -> None:
    driver = await filled()
    del driver.store[revision(CHILD)], driver.store[blob(CHILD)]

    found = await scrub(driver, Plan(pause=0, platforms=Platforms("none")))

    assert found.findings == []


async def pushed(document: dict[str, Any]) -> tuple[DictionaryDriver, bytes]:
    """A manifest as another registry may have stored it."""
    driver = await filled()
    content = json.dumps(document).encode()
    put(driver, blob(content), content)
    put(driver, revision(content), str(digest(content)).encode())
    return driver, content


async def test_manifest_that_says_a_wrong_size_is_told_from_a_blob_that_was_cut() -> None:
    document = json.loads(IMAGE)
    document["layers"][0]["size"] += 1
    driver, _ = await pushed(document)

    found = await scrub(driver)

    assert (found.kinds, found.report.wrong) == (["size-wrong"], 0)


async def test_cut_blob_is_found_without_hashing_all() -> None:
    driver = await filled()
    put(driver, blob(LAYER), LAYER[:-1])

    found = await scrub(driver, Plan(pause=0, blobs=False))

    assert (found.kinds, found.report.wrong, found.report.blobs) == (["blob-damaged"], 1, 0)


async def test_layers_of_schema_1() -> None:
    layers = [{"blobSum": str(digest(one))} for one in (LAYER, b"not there")]
    driver, content = await pushed({"schemaVersion": 1, "fsLayers": layers})

    found = await scrub(driver)

    assert [one.digest for one in found.findings] == [str(digest(b"not there"))]
    assert str(digest(content)) in found.findings[0].what


@pytest.mark.parametrize("document", ["text", 7, [1]])
async def test_content_that_is_no_manifest(document: Any) -> None:
    driver, content = await pushed(document)

    found = await scrub(driver)

    assert [(one.kind, one.digest) for one in found.findings] == [
        ("not-a-manifest", str(digest(content)))
    ]


async def test_layers_that_are_elsewhere_need_not_be_here() -> None:
    document = json.loads(IMAGE)
    document["layers"].append(
        {
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "digest": str(digest(b"elsewhere")),
            "size": 9,
        }
    )
    driver, _ = await pushed(document)

    assert (await scrub(driver)).findings == []


async def test_every_kind_is_tested() -> None:
    by_name: Callable[[Damage], set[str]] = lambda damage: damage.kinds  # noqa: E731
    tested = set[str]().union(*map(by_name, DAMAGES))

    assert tested | {"size-wrong", "not-a-manifest", "unreadable"} == set(KINDS)
