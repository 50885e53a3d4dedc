"""Referrers: what was pushed with a subject, merged with what clients listed by themselves."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.core.stores import CONFIG, NAME, chunks, image, index, open_memory, open_repository, put

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.manifest import OCI_MANIFEST, Manifest
from entrepot.core.names import Digest, Tag
from entrepot.core.referrers import PAGE_SIZE
from entrepot.core.registry import Repository

pytestmark = pytest.mark.anyio

SUBJECT = Digest.of(b"an image that need not be here")
SIGNATURE, BILL = "application/vnd.test.signature", "application/vnd.test.bill"


@pytest.fixture
async def driver() -> AsyncGenerator[Driver, None]:
    async with open_memory() as driver:
        yield driver


@pytest.fixture
async def repository(driver: Driver) -> AsyncGenerator[Repository, None]:
    async with open_repository(driver) as repository:
        await repository.blobs.put(Digest.of(CONFIG), chunks(CONFIG))
        yield repository


def pointing(subject: Digest) -> dict[str, Any]:
    return {"mediaType": OCI_MANIFEST, "digest": str(subject), "size": 1}


def referrer(label: str, kind: str = SIGNATURE, subject: Digest = SUBJECT) -> bytes:
    annotations = {"label": label}
    return image(subject=pointing(subject), artifactType=kind, annotations=annotations)


async def push(repository: Repository, content: bytes) -> Digest:
    stored = await repository.manifests.put(Digest.of(content), content, None)
    return stored.digest


async def push_fallback(repository: Repository, *listed: bytes, subject: Digest = SUBJECT) -> None:
    """What a client does that finds no referrers API."""
    tag = Tag(f"{subject.algorithm}-{subject.hex}")
    await repository.manifests.put(tag, index(listed), None)


async def digests(repository: Repository, *arguments: str) -> list[Digest]:
    page = await repository.referrers.page(SUBJECT, *arguments)
    assert not page.more
    return [Digest.parse(descriptor["digest"]) for descriptor in page.descriptors]


def in_order(*contents: bytes) -> list[Digest]:
    return sorted((Digest.of(content) for content in contents), key=str)


async def test_page_describes_the_referrers_in_the_order_of_their_digests(
    repository: Repository,
) -> None:
    contents = {Digest.of(content): content for content in map(referrer, "abcde")}
    for content in contents.values():
        await push(repository, content)
    await push(repository, referrer("other", subject=Digest.of(b"another image")))

    page = await repository.referrers.page(SUBJECT)

    assert page.descriptors == [
        {
            "mediaType": OCI_MANIFEST,
            "digest": str(digest),
            "size": len(contents[digest]),
            "artifactType": SIGNATURE,
            "annotations": json.loads(contents[digest])["annotations"],
        }
        for digest in in_order(*contents.values())
    ]


async def test_page_of_a_subject_without_referrers_is_empty(repository: Repository) -> None:
    page = await repository.referrers.page(SUBJECT)

    assert (page.descriptors, page.more) == ([], False)


async def test_artifact_type_of_an_image_is_that_of_its_config(repository: Repository) -> None:
    content = image(subject=pointing(SUBJECT))
    await push(repository, content)

    page = await repository.referrers.page(SUBJECT)

    assert page.descriptors[0]["artifactType"] == "application/vnd.oci.image.config.v1+json"


async def test_index_with_a_subject_is_a_referrer(repository: Repository) -> None:
    content = index(subject=pointing(SUBJECT), artifactType=BILL)

    await push(repository, content)

    assert await digests(repository, BILL) == [Digest.of(content)]


async def test_filter_leaves_one_artifact_type(repository: Repository) -> None:
    signatures = [referrer(label) for label in "abc"]
    for content in [*signatures, referrer("bill", BILL)]:
        await push(repository, content)

    assert await digests(repository, SIGNATURE) == in_order(*signatures)
    assert await digests(repository, "application/vnd.test.none") == []


async def test_repeated_push_is_listed_once(repository: Repository) -> None:
    for _ in range(2):
        await push(repository, referrer("a"))
    await repository.manifests.put(Tag("a"), referrer("a"), None)

    assert await digests(repository) == in_order(referrer("a"))


@pytest.mark.parametrize("kind", [None, SIGNATURE])
async def test_pages_follow_each_other_without_gap_or_repetition(
    repository: Repository, kind: str | None
) -> None:
    """More than one answer holds, some of them at the fallback tag only."""
    contents = [referrer("x" * (PAGE_SIZE // 5) + str(n)) for n in range(12)]
    bills = [referrer("y" * (PAGE_SIZE // 5) + str(n), BILL) for n in range(4)]
    for content in [*contents, *bills]:
        await push(repository, content)
    await push_fallback(repository, *contents[:6])
    wanted = in_order(*contents, *([] if kind else bills))

    found: list[Digest] = []
    page = await repository.referrers.page(SUBJECT, kind)
    while page.more:
        assert page.descriptors
        assert len(json.dumps(page.descriptors)) < 2 * PAGE_SIZE
        found += [Digest.parse(descriptor["digest"]) for descriptor in page.descriptors]
        page = await repository.referrers.page(SUBJECT, kind, page.last)
    found += [Digest.parse(descriptor["digest"]) for descriptor in page.descriptors]

    assert found == wanted


async def test_more_referrers_than_are_read_at_once(repository: Repository) -> None:
    contents = [referrer(str(number)) for number in range(150)]
    for content in contents:
        await push(repository, content)

    assert await digests(repository) == in_order(*contents)


async def test_page_after_a_digest_that_is_no_referrer(repository: Repository) -> None:
    contents = [referrer(str(number)) for number in range(9)]
    for content in contents:
        await push(repository, content)
    after = f"sha256:{'7' * 64}"

    found = await repository.referrers.page(SUBJECT, None, after)

    assert [descriptor["digest"] for descriptor in found.descriptors] == [
        str(digest) for digest in in_order(*contents) if str(digest) > after
    ]


async def test_fallback_tag_is_merged_in_order_and_without_duplicates(
    repository: Repository,
) -> None:
    contents = [referrer(str(number)) for number in range(9)]
    plain = [image(annotations={"label": str(number)}) for number in range(9)]  # no subject
    for content in [*contents, *plain]:
        await push(repository, content)
    await push_fallback(repository, *contents[:4], *plain)

    assert await digests(repository) == in_order(*contents, *plain)


async def test_fallback_entry_keeps_what_the_client_said_of_it(repository: Repository) -> None:
    content = image()
    entry = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(content)), "size": len(content)}
    entry |= {"artifactType": BILL, "annotations": {"a": "b"}}
    await push(repository, content)
    tag = Tag(f"sha256-{SUBJECT.hex}")
    await repository.manifests.put(tag, index(manifests=[entry]), None)

    assert (await repository.referrers.page(SUBJECT, BILL)).descriptors == [entry]


async def test_deleted_manifest_leaves_the_fallback_list(repository: Repository) -> None:
    kept, gone = image(annotations={"a": "kept"}), image(annotations={"a": "gone"})
    for content in (kept, gone):
        await push(repository, content)
    await push_fallback(repository, kept, gone)

    await repository.manifests.delete(Digest.of(gone))

    assert await digests(repository) == [Digest.of(kept)]


@pytest.mark.parametrize("content", [image(), b'{"schemaVersion":1}', b"[]", b"no manifest"])
async def test_fallback_tag_that_is_no_index_adds_nothing(
    repository: Repository, driver: Driver, content: bytes
) -> None:
    await push(repository, referrer("a"))
    await put(driver, layout.blob(Digest.of(content)), content)
    await repository.tags.set(Tag(f"sha256-{SUBJECT.hex}"), Digest.of(content))

    assert await digests(repository) == in_order(referrer("a"))


async def test_fallback_tag_of_a_long_digest_is_cut(repository: Repository) -> None:
    """Source: distribution-spec 1.1, "Referrers Tag Schema"."""
    subject = Digest.of(b"an image", "sha512")
    content = image()
    await push(repository, content)
    await repository.manifests.put(Tag(f"sha512-{subject.hex[:64]}"), index([content]), None)

    page = await repository.referrers.page(subject)

    assert [descriptor["digest"] for descriptor in page.descriptors] == [str(Digest.of(content))]


async def test_deleted_referrer_leaves_the_list(repository: Repository, driver: Driver) -> None:
    digest = await push(repository, referrer("a"))
    await push(repository, referrer("b"))

    await repository.manifests.delete(digest)

    assert await digests(repository) == in_order(referrer("b"))
    with pytest.raises(Exception, match="no such object"):
        await driver.stat(layout.referrer(NAME, SUBJECT, digest))


async def test_entry_of_a_deleted_manifest_is_passed_over(
    repository: Repository, driver: Driver
) -> None:
    """Distribution deletes the revision alone, and so may a crash of ours."""
    digest = await push(repository, referrer("a"))
    await push(repository, referrer("b"))

    await driver.delete([layout.revision_link(NAME, digest)])

    assert await digests(repository) == in_order(referrer("b"))


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"7", b'{"digest":"x"}', b'{"digest":7}'])
async def test_damaged_entry_is_passed_over(
    repository: Repository, driver: Driver, damage: bytes
) -> None:
    digest = await push(repository, referrer("a"))
    await push(repository, referrer("b"))

    await put(driver, layout.referrer(NAME, SUBJECT, digest), damage)

    assert await digests(repository) == in_order(referrer("b"))


async def test_add_writes_what_the_manifest_says_of_itself(
    repository: Repository, driver: Driver
) -> None:
    found = Manifest(b"content", Digest.of(b"content"), OCI_MANIFEST, subject=SUBJECT)

    await repository.referrers.add(SUBJECT, found)

    key = layout.referrer(NAME, SUBJECT, found.digest)
    stored = b"".join([chunk async for chunk in driver.read(key)])
    assert json.loads(stored) == found.descriptor()
