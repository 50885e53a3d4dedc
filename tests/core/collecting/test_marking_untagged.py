"""Which manifests without a tag are garbage, where they may be."""

import json

import pytest
from tests.core.collecting.marked import (
    CONFIG,
    GRACE,
    OLD,
    YOUNG,
    Store,
    described,
    image,
    index,
    mark,
)

from entrepot.core import layout
from entrepot.core.collecting.marking import Untagged
from entrepot.core.manifest import OCI_INDEX, OCI_MANIFEST
from entrepot.core.names import Digest, RepositoryName, Tag

pytestmark = pytest.mark.anyio
ALL = Untagged()


async def removed(store: Store, rules: Untagged = ALL) -> set[Digest]:
    """Manifests whose links are garbage; everything of the others must be left."""
    garbage = await mark(store, rules)
    gone = {one.digest for one in garbage if one.kind == "revision"}
    for one in garbage:
        del store.driver.store[one.key]
    assert [one for one in await mark(store, rules) if one.kind == "revision"] == []
    return gone


async def test_without_the_option_every_manifest_stays() -> None:
    store = Store()
    store.image("app", [b"one"])

    assert await mark(store) == []


async def test_a_repository_without_tags_loses_links_and_content_together() -> None:
    """Distribution deletes the content there and leaves the links."""
    store = Store()
    store.image("app", [b"one"])

    garbage = await mark(store, ALL)

    assert sorted((one.kind, one.digest.hex) for one in garbage) == sorted(
        [("revision", Digest.of(image([b"one"])).hex)]
        + [("layer", Digest.of(layer).hex) for layer in (CONFIG, b"one")]
        + [("blob", Digest.of(content).hex) for content in (CONFIG, b"one", image([b"one"]))]
    )


async def test_what_a_tag_pointed_to_earlier_goes() -> None:
    store = Store()
    first = store.image("app", [b"one"], "1")
    store.image("app", [b"two"], "1")

    assert await removed(store) == {first}


@pytest.mark.parametrize("content", [None, b"", b"sha256:12"])
async def test_all_that_a_torn_tag_ever_pointed_to_stays(content: bytes | None) -> None:
    store = Store()
    store.image("app", [b"one"], "1")
    store.image("app", [b"two"], "1")
    gone = store.image("app", [b"three"])
    key = layout.tag_link(RepositoryName("app"), Tag("1"))
    if content is None:
        del store.driver.store[key]
    else:
        store.put(key, content)

    assert await removed(store) == {gone}


async def test_what_a_tag_points_to_may_be_missing() -> None:
    store = Store()
    store.tag("app", "1", Digest.of(b"nowhere"))
    gone = store.image("app", [b"one"])

    assert await removed(store) == {gone}


async def test_children_of_a_tagged_index_stay() -> None:
    store = Store()
    store.image("app", [b"one"])
    gone = store.image("app", [b"two"])
    between = index([image([b"one"])])
    store.manifest("app", between)
    store.manifest("app", index([between]), "1")

    assert await removed(store) == {gone}


@pytest.mark.parametrize("media_type", ["application/vnd.oci.artifact.manifest.v1+json", ""])
async def test_children_of_other_media_types_stay(media_type: str) -> None:
    store = Store()
    child = store.image("app", [b"one"])
    entry = described(image([b"one"]), media_type)
    store.image("app", [b"kept"], "1")
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    store.manifest("app", json.dumps(document).encode(), "2")
    store.manifest("app", json.dumps({"future": {"of": str(child)}}).encode(), "3")

    assert await removed(store) == set()


async def test_an_untagged_index_goes_with_its_children() -> None:
    store = Store()
    child = store.image("app", [b"one"])
    parent = store.manifest("app", index([image([b"one"])]))
    store.image("app", [b"kept"], "1")

    assert await removed(store) == {child, parent}


async def test_what_is_attached_to_something_reachable_stays() -> None:
    """Signatures and the like have no tag; here one has a signature of its own."""
    store = Store()
    store.image("app", [b"one"], "1")
    signature = image([b"signature"], subject=described(image([b"one"]), OCI_MANIFEST))
    store.image("app", [b"signature"], subject=described(image([b"one"]), OCI_MANIFEST))
    store.image("app", [b"its own"], subject=described(signature, OCI_MANIFEST))

    assert await removed(store) == set()


async def test_what_is_attached_to_a_child_of_an_index_stays() -> None:
    store = Store()
    store.blob(image([b"one"]))  # with a link or without
    store.image("app", [b"two"])
    store.manifest("app", index([image([b"one"]), image([b"two"])]), "1")
    for child in (b"one", b"two"):
        subject = described(image([child]), OCI_MANIFEST)
        store.image("app", [child, b"signature"], subject=subject)

    assert await removed(store) == set()


async def test_what_is_attached_goes_with_its_subject() -> None:
    store = Store()
    gone = store.image("app", [b"one"])
    subject = described(image([b"one"]), OCI_MANIFEST)
    signature = store.image("app", [b"signature"], subject=subject)
    lost = store.image("app", [b"lost"], subject=described(b"nowhere", OCI_MANIFEST))
    store.image("app", [b"kept"], "1")

    assert await removed(store) == {gone, signature, lost}


async def test_the_subject_of_something_tagged_stays() -> None:
    store = Store()
    store.image("app", [b"one"])
    store.image("app", [b"list"], "bill", subject=described(image([b"one"]), OCI_MANIFEST))

    assert await removed(store) == set()


async def test_a_fallback_tag_is_a_tag() -> None:
    store = Store()
    subject = store.image("app", [b"one"], "1")
    store.image("app", [b"signature"], subject=described(image([b"one"]), OCI_MANIFEST))
    signature = image([b"signature"], subject=described(image([b"one"]), OCI_MANIFEST))
    store.manifest("app", index([signature]), f"sha256-{subject.hex}")

    assert await removed(store) == set()


async def test_a_young_one_stays_with_all_that_it_leads_to() -> None:
    store = Store()
    store.image("app", [b"one"])
    store.manifest("app", index([image([b"one"])]), age=YOUNG)
    gone = store.image("app", [b"two"])

    assert await removed(store) == {gone}


async def test_each_repository_is_for_itself() -> None:
    store = Store()
    store.image("tagged", [b"one"], "1")
    gone = store.image("other", [b"one"])

    garbage = await mark(store, ALL)

    assert {(one.kind, one.repository) for one in garbage} == {
        ("revision", "other"),
        ("layer", "other"),
    }
    assert gone in {one.digest for one in garbage}


async def test_the_newest_are_kept() -> None:
    store = Store()
    digests = [store.image("app", [str(n).encode()], age=OLD + n) for n in range(5)]
    store.image("app", [b"tagged"], "1", age=OLD - 1)

    assert await removed(store, Untagged(keep_last=2)) == set(digests[2:])


async def test_the_newest_are_counted_in_each_repository() -> None:
    store = Store()
    kept = [store.image(name, [name.encode()]) for name in ("a", "b")]

    assert await removed(store, Untagged(keep_last=1)) == set()
    assert len(kept) == 2


async def test_children_and_what_is_attached_are_not_counted() -> None:
    store = Store()
    gone = store.image("app", [b"older"], age=OLD + 9)
    store.image("app", [b"second"], age=OLD + 8)
    store.image("app", [b"child"], age=OLD + 7)
    store.image("app", [b"other child"], age=OLD + 6)
    parent = index([image([b"child"]), image([b"other child"])])
    store.manifest("app", parent, age=OLD + 5)
    store.image("app", [b"signature"], subject=described(parent, OCI_INDEX), age=OLD)

    assert await removed(store, Untagged(keep_last=2)) == {gone}


@pytest.mark.parametrize("older_than", [0.0, GRACE, 3 * GRACE])
async def test_what_is_not_so_old_is_kept(older_than: float) -> None:
    store = Store()
    digests = {n: store.image("app", [bytes([n])], age=n * GRACE) for n in range(1, 6)}

    gone = await removed(store, Untagged(older_than=older_than))

    assert gone == {digests[n] for n in digests if n > max(1, older_than / GRACE)}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Untagged(repositories=("team/*",)), {"team/app"}),
        (Untagged(repositories=("team/**", "other")), {"other", "team/app", "team/deep/app"}),
        (Untagged(never_repositories=("team/**",)), {"other"}),
        (
            Untagged(repositories=("**",), never_repositories=("team/app",)),
            {"other", "team/deep/app"},
        ),
        (Untagged(repositories=("none",)), set[str]()),
    ],
)
async def test_only_in_some_repositories(rules: Untagged, expected: set[str]) -> None:
    store = Store()
    for name in ("other", "team/app", "team/deep/app"):
        store.image(name, [name.encode()])

    garbage = await mark(store, rules)

    assert {one.repository for one in garbage if one.kind == "revision"} == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Untagged(artifact_types=("application/vnd.cncf.*",)), {"chart"}),
        (Untagged(artifact_types=("application/vnd.oci.image.config.v1+json",)), {"image"}),
        (Untagged(never_artifact_types=("application/vnd.oci.*",)), {"chart", "bill"}),
        (Untagged(never_artifact_types=("*",)), set[str]()),
    ],
)
async def test_only_some_types(rules: Untagged, expected: set[str]) -> None:
    store = Store()
    config = described(CONFIG, "application/vnd.cncf.helm.config.v1+json")
    digests = {
        store.image("app", [b"image"]): "image",
        store.image("app", [b"chart"], config=config): "chart",
        store.image("app", [b"bill"], artifactType="application/spdx+json"): "bill",
    }

    assert {digests[digest] for digest in await removed(store, rules)} == expected


async def test_a_rule_never_takes_what_something_kept_leads_to() -> None:
    store = Store()
    store.image("app", [b"child"], artifactType="x/y")
    store.manifest("app", index([image([b"child"], artifactType="x/y")]), "1")

    assert await removed(store, Untagged(artifact_types=("x/y",))) == set()


@pytest.mark.parametrize("pattern", ["UPPER", "a//b", "{user}/x", "{team}"])
def test_a_pattern_that_is_none(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern of repositories"):
        Untagged(never_repositories=(pattern,))
