"""Manifests: taken only when complete, written and removed so that no tag dangles."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.core.stores import (
    CONFIG,
    NAME,
    chunks,
    described,
    image,
    index,
    keys,
    open_memory,
    open_repository,
    put,
)
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import (
    DigestInvalidError,
    ManifestBlobUnknownError,
    ManifestInvalidError,
    ManifestUnknownError,
)
from entrepot.core.manifest import DOCKER_MANIFEST, DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST
from entrepot.core.names import ALGORITHMS, Digest, Reference, Tag
from entrepot.core.registry import Repository, Rules
from entrepot.core.testing import FaultyDriver

pytestmark = pytest.mark.anyio

LAYERS = [b"layer 1", b"layer 2"]
SUBJECT = Digest.of(b"an image that need not be here")
T, U = Tag("t"), Tag("u")
UNVERIFIED = Rules(verify_references=False)


@pytest.fixture
async def driver() -> AsyncGenerator[FaultyDriver, None]:
    """A driver that writes down what it is asked for."""
    async with open_memory() as driver:
        yield FaultyDriver(driver)


@pytest.fixture
async def repository(driver: Driver) -> AsyncGenerator[Repository, None]:
    """One that has the blobs of `image(LAYERS)`."""
    async with open_repository(driver) as repository:
        for content in (CONFIG, *LAYERS):
            await repository.blobs.put(Digest.of(content), chunks(content))
        yield repository


def subject() -> dict[str, Any]:
    return {"mediaType": OCI_MANIFEST, "digest": str(SUBJECT), "size": 1}


def changes(driver: FaultyDriver) -> list[tuple[str, str]]:
    return [(verb, key) for verb, key in driver.calls if verb in {"write", "delete"}]


# -- pushing and pulling ---------------------------------------------------------------------


@pytest.mark.parametrize("content", [image(LAYERS), index()], ids=["image", "index"])
async def test_manifest_is_found_by_tag_and_by_digest(
    repository: Repository, content: bytes
) -> None:
    stored = await repository.manifests.put(T, content, None)

    assert stored.digest == Digest.of(content)
    for reference in (T, stored.digest):
        found = await repository.manifests.get(reference)
        assert (found.content, found.digest) == (content, stored.digest)
        assert found.media_type == json.loads(content)["mediaType"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_manifest_is_stored_under_the_algorithm_of_its_reference(
    repository: Repository, driver: Driver, algorithm: str
) -> None:
    content = image(LAYERS)
    digest = Digest.of(content, algorithm)

    await repository.manifests.put(digest, content, OCI_MANIFEST, [T, U])

    assert (await repository.manifests.get(digest)).content == content
    assert await repository.tags.get(T) == await repository.tags.get(U) == digest
    assert await keys(driver, layout.blob(digest)) == [layout.blob(digest)]


async def test_manifest_under_a_digest_of_something_else_is_refused(
    repository: Repository, driver: FaultyDriver
) -> None:
    driver.calls.clear()

    with pytest.raises(DigestInvalidError):
        await repository.manifests.put(SUBJECT, image(LAYERS), None, [T])

    assert changes(driver) == []


@pytest.mark.parametrize("reference", [T, SUBJECT], ids=["tag", "digest"])
async def test_manifest_that_was_never_pushed_is_unknown(
    repository: Repository, reference: Reference
) -> None:
    with pytest.raises(ManifestUnknownError):
        await repository.manifests.get(reference)


async def test_manifest_of_another_repository_is_unknown(
    repository: Repository, driver: Driver
) -> None:
    """Its content is on the store, but that says nothing about this repository."""
    content = image(LAYERS)
    await put(driver, layout.blob(Digest.of(content)), content)

    with pytest.raises(ManifestUnknownError):
        await repository.manifests.get(Digest.of(content))


async def test_manifest_whose_content_is_lost_is_unknown(
    repository: Repository, driver: Driver
) -> None:
    content = image(LAYERS)
    stored = await repository.manifests.put(T, content, None)
    await driver.delete([layout.blob(stored.digest)])

    async with open_repository(driver) as replica:
        with pytest.raises(ManifestUnknownError):
            await replica.manifests.get(T)


async def test_stored_schema_1_manifest_can_be_pulled(
    repository: Repository, driver: Driver
) -> None:
    content = b'{"schemaVersion": 1, "signatures": []}'
    digest = Digest.of(content)
    await put(driver, layout.blob(digest), content)
    await put(driver, layout.revision_link(NAME, digest), str(digest).encode())

    assert (await repository.manifests.get(digest)).media_type == DOCKER_SCHEMA1_SIGNED


# -- references ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (image([*LAYERS, b"absent"]), [b"absent"]),
        (image([b"absent", *LAYERS, b"lost"]), [b"absent", b"lost"]),
        (image(config=described(b"absent", "application/vnd.test+json")), [b"absent"]),
        (index([image(LAYERS)]), [image(LAYERS)]),
        (index([b"absent", image()]), [b"absent", image()]),
    ],
    ids=["layer", "layers", "config", "child", "children"],
)
async def test_manifest_that_names_what_is_missing_is_refused(
    repository: Repository, driver: FaultyDriver, content: bytes, missing: list[bytes]
) -> None:
    driver.calls.clear()

    with pytest.raises(ManifestBlobUnknownError) as refused:
        await repository.manifests.put(T, content, None)

    assert refused.value.missing == tuple(str(Digest.of(each)) for each in missing)
    assert changes(driver) == []


async def test_blob_that_only_another_repository_has_is_missing(
    repository: Repository, driver: Driver
) -> None:
    await put(driver, layout.blob(Digest.of(b"elsewhere")), b"elsewhere")

    with pytest.raises(ManifestBlobUnknownError):
        await repository.manifests.put(T, image([b"elsewhere"]), None)


async def test_blob_whose_bytes_are_gone_is_missing(repository: Repository, driver: Driver) -> None:
    await repository.blobs.get(Digest.of(LAYERS[0]))  # now it is at hand
    await driver.delete([layout.blob(Digest.of(LAYERS[0]))])

    with pytest.raises(ManifestBlobUnknownError):
        await repository.manifests.put(T, image(LAYERS), None)


async def test_index_is_taken_when_its_children_are_there(repository: Repository) -> None:
    child = await repository.manifests.put(Digest.of(image(LAYERS)), image(LAYERS), None)

    stored = await repository.manifests.put(T, index([image(LAYERS)]), None)

    assert [each.digest for each in stored.manifests] == [str(child.digest)]


async def test_subject_and_non_distributable_layers_need_not_be_there(
    repository: Repository,
) -> None:
    kind = "application/vnd.oci.image.layer.nondistributable.v1.tar"
    content = image(layers=[described(b"absent", kind)], subject=subject())

    assert (await repository.manifests.put(T, content, None)).subject == SUBJECT


async def test_references_are_not_looked_for_when_the_rules_say_so(driver: Driver) -> None:
    async with open_repository(driver, UNVERIFIED) as repository:
        await repository.manifests.put(T, image([b"absent"]), None)

        assert (await repository.manifests.get(T)).content == image([b"absent"])


@pytest.mark.parametrize(
    ("allow", "deny", "url", "taken"),
    [
        ([], [], "https://a.test/x", True),
        (["^https://a"], [], "https://a.test/x", True),
        (["^https://a"], [], "https://b.test/x", False),
        ([], ["evil"], "https://evil.test/x", False),
        (["^https://"], ["evil"], "https://evil.test/x", False),
        (["^https://"], ["evil"], "https://good.test/x", True),
    ],
)
async def test_urls_of_layers_follow_the_rules(
    driver: Driver, allow: list[str], deny: list[str], url: str, *, taken: bool
) -> None:
    rules = Rules(urls_allow=tuple(map(re.compile, allow)), urls_deny=tuple(map(re.compile, deny)))
    kind = "application/vnd.oci.image.layer.nondistributable.v1.tar"
    content = image(layers=[described(b"absent", kind) | {"urls": [url]}])
    async with open_repository(driver, rules) as repository:
        await repository.blobs.put(Digest.of(CONFIG), chunks(CONFIG))

        if taken:
            await repository.manifests.put(T, content, None)
        else:
            with pytest.raises(ManifestInvalidError, match=r"validation\.manifests\.urls"):
                await repository.manifests.put(T, content, None)


# -- the order of changes --------------------------------------------------------------------


async def test_push_writes_content_then_links_then_the_tag(
    repository: Repository, driver: FaultyDriver
) -> None:
    content = image(LAYERS, subject=subject())
    digest = Digest.of(content)
    driver.calls.clear()

    await repository.manifests.put(T, content, None)

    assert changes(driver) == [
        ("write", layout.blob(digest)),
        ("write", layout.revision_link(NAME, digest)),
        ("write", layout.referrer(NAME, SUBJECT, digest)),
        ("write", layout.tag_history(NAME, T, digest)),
        ("write", layout.tag_link(NAME, T)),
    ]


async def test_push_of_several_tags_writes_them_last(
    repository: Repository, driver: FaultyDriver
) -> None:
    content = index()
    digest = Digest.of(content)
    driver.calls.clear()

    await repository.manifests.put(digest, content, None, [T, U])

    written = [key for _, key in changes(driver)]
    assert written[:2] == [layout.blob(digest), layout.revision_link(NAME, digest)]
    assert {layout.tag_link(NAME, T), layout.tag_link(NAME, U)} <= set(written[2:])


async def test_push_verifies_before_it_writes(repository: Repository, driver: FaultyDriver) -> None:
    driver.calls.clear()

    await repository.manifests.put(T, image(LAYERS), None)

    first = next(at for at, (verb, _) in enumerate(driver.calls) if verb == "write")
    for layer in LAYERS:
        assert ("stat", layout.blob(Digest.of(layer))) in driver.calls[:first]


async def test_deletion_takes_the_tags_before_the_manifest(
    repository: Repository, driver: FaultyDriver
) -> None:
    content = image(LAYERS, subject=subject())
    stored = await repository.manifests.put(T, content, None)
    await repository.manifests.put(U, content, None)
    other = await repository.manifests.put(Tag("v"), index(), None)
    driver.calls.clear()

    assert set(await repository.manifests.delete(stored.digest)) == {T, U}

    deleted = [key for _, key in changes(driver)]
    assert deleted[0] in {layout.tag_link(NAME, T), layout.tag_link(NAME, U)}
    assert deleted[-1] == layout.revision_link(NAME, stored.digest)
    assert set(deleted) == {
        layout.tag_link(NAME, T),
        layout.tag_history(NAME, T, stored.digest),
        layout.tag_link(NAME, U),
        layout.tag_history(NAME, U, stored.digest),
        layout.referrer(NAME, SUBJECT, stored.digest),
        layout.revision_link(NAME, stored.digest),
    }
    assert await repository.tags.get(Tag("v")) == other.digest


async def test_deleted_manifest_is_unknown_everywhere_and_its_content_stays(
    repository: Repository, driver: Driver
) -> None:
    async with open_repository(driver) as replica:
        stored = await repository.manifests.put(T, index(), None)
        await replica.manifests.get(stored.digest)

        await repository.manifests.delete(stored.digest)

        for here in (repository, replica):
            for reference in (T, stored.digest):
                with pytest.raises(ManifestUnknownError):
                    await here.manifests.get(reference)
        with pytest.raises(ManifestUnknownError):
            await replica.manifests.delete(stored.digest)
    assert (await driver.stat(layout.blob(stored.digest))).size == len(index())


async def test_deleted_manifest_can_be_pushed_again(repository: Repository) -> None:
    stored = await repository.manifests.put(T, index(), None)
    await repository.manifests.delete(stored.digest)

    await repository.manifests.put(T, index(), None)

    assert (await repository.manifests.get(T)).media_type == OCI_INDEX


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_MANIFEST, "text/html"])
async def test_manifest_sent_as_another_type_is_refused(
    repository: Repository, driver: FaultyDriver, media_type: str
) -> None:
    driver.calls.clear()

    with pytest.raises(ManifestInvalidError):
        await repository.manifests.put(T, image(LAYERS), media_type)

    assert changes(driver) == []


async def test_manifest_whose_bytes_are_lost_is_deleted_with_its_tags() -> None:
    driver = DictionaryDriver({})
    content = index()
    async with open_repository(driver, Rules(verify_references=False)) as repository:
        await repository.manifests.put(Tag("t"), content, None)
        await driver.delete([layout.blob(Digest.of(content))])
    async with open_repository(driver) as repository:  # it has nothing cached
        await repository.manifests.delete(Digest.of(content))

        assert await repository.tags.find(Tag("t")) is None
        assert not await repository.manifests.has(Digest.of(content))
