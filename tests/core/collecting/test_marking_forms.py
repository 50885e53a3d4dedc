"""What manifests name, in all forms that registries have taken, and digests other than sha256."""

import json
from typing import Any

import pytest
from tests.core.collecting.marked import CONFIG, YOUNG, Store, described, image, mark

from entrepot.core.collecting.marking import Garbage, MarkReport, Untagged
from entrepot.core.collecting.reachable import references
from entrepot.core.collecting.spill import unpacked
from entrepot.core.manifest import OCI_MANIFEST
from entrepot.core.names import Digest

pytestmark = pytest.mark.anyio
LAYER = b"layer"
OTHERS = ["sha384", "sha512"]


def kinds(garbage: list[Garbage]) -> list[tuple[str, str]]:
    return [(one.kind, one.digest.algorithm) for one in garbage]


def aliased(store: Store, content: bytes, algorithm: str, age: float) -> Digest:
    """A layer as Distribution stores it when it is pushed by another digest."""
    stored = store.blob(content)
    digest = Digest.of(content, algorithm)
    store.link("app", stored, age=age)
    store.link("app", digest, stored, age=age)
    return digest


def of_layer(algorithm: str) -> bytes:
    entry = described(LAYER, "application/vnd.oci.image.layer.v1.tar", algorithm)
    return image(layers=[entry])


@pytest.mark.parametrize("algorithm", OTHERS)
@pytest.mark.parametrize("untagged", [None, Untagged()])
async def test_what_distribution_stores_under_another_digest(
    algorithm: str, untagged: Untagged | None
) -> None:
    store = Store()
    store.layer("app", CONFIG)
    aliased(store, LAYER, algorithm, age=1e6)
    store.manifest("app", of_layer(algorithm), "1")

    assert await mark(store, untagged) == []


@pytest.mark.parametrize("algorithm", OTHERS)
async def test_such_a_layer_that_nothing_names(algorithm: str) -> None:
    store = Store()
    aliased(store, LAYER, algorithm, age=1e6)

    assert kinds(await mark(store)) == [
        ("layer", "sha256"),
        ("layer", algorithm),
        ("blob", "sha256"),
    ]


@pytest.mark.parametrize("algorithm", OTHERS)
async def test_such_a_layer_whose_other_link_is_young(algorithm: str) -> None:
    store = Store()
    stored = store.blob(LAYER)
    store.link("app", stored)
    store.link("app", Digest.of(LAYER, algorithm), stored, age=YOUNG)

    assert await mark(store) == []


@pytest.mark.parametrize("algorithm", OTHERS)
async def test_such_a_layer_of_a_damaged_repository(algorithm: str) -> None:
    store = Store()
    aliased(store, LAYER, algorithm, age=1e6)
    store.revision("app", Digest.of(b"missing"))

    assert await mark(store) == []


@pytest.mark.parametrize("algorithm", OTHERS)
@pytest.mark.parametrize("is_named", [True, False])
async def test_content_under_its_own_digest(algorithm: str, is_named: bool) -> None:
    store = Store()
    store.layer("app", CONFIG)
    store.link("app", store.blob(LAYER, algorithm))
    if is_named:
        content = of_layer(algorithm)
        digest = store.manifest("app", content, algorithm=algorithm)
        store.tag("app", "1", digest)
    else:
        store.manifest("app", image(), "1")

    garbage = await mark(store, Untagged())

    assert kinds(garbage) == ([] if is_named else [("layer", algorithm), ("blob", algorithm)])


async def test_a_manifest_under_another_digest() -> None:
    """As nothing is known to write it, but as reading would understand it."""
    store = Store()
    store.image("app", [LAYER], "1")
    stored = Digest.of(image([LAYER]))
    digest = Digest.of(image([LAYER]), "sha512")
    key = f"docker/registry/v2/repositories/app/_manifests/revisions/sha512/{digest.hex}/link"
    store.put(key, str(stored).encode())
    store.tag("app", "1", digest)
    for key in [key for key in store.driver.store if f"revisions/sha256/{stored.hex}" in key]:
        del store.driver.store[key]
    report = MarkReport()

    assert await mark(store, Untagged(), report) == []
    assert report.damaged == 0


def schema1() -> dict[str, Any]:
    return {
        "schemaVersion": 1,
        "name": "app",
        "fsLayers": [{"blobSum": str(Digest.of(LAYER))}],
        "history": [{"v1Compatibility": "{}"}],
    }


def artifact() -> dict[str, Any]:
    return {
        "mediaType": "application/vnd.oci.artifact.manifest.v1+json",
        "blobs": [described(LAYER, "text/plain")],
    }


def with_broken_descriptors() -> dict[str, Any]:
    layers = [{"digest": "sha256:short"}, "odd", described(LAYER, "text/plain")]
    return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers}


def with_odd_lists() -> dict[str, Any]:
    return {"schemaVersion": 2, "manifests": 3, "layers": {"of": str(Digest.of(LAYER))}}


def without_media_types() -> dict[str, Any]:
    return {"schemaVersion": 2, "layers": [{"digest": str(Digest.of(LAYER))}]}


def of_the_future() -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": "x/y", "chunks": {"a": [str(Digest.of(LAYER))]}}


def without_all() -> dict[str, Any]:
    return {"a": f"see sha256:{Digest.of(LAYER).hex}."}


@pytest.mark.parametrize(
    "form",
    [
        schema1,
        artifact,
        with_broken_descriptors,
        with_odd_lists,
        without_media_types,
        of_the_future,
        without_all,
    ],
)
async def test_forms_of_manifests(form: Any) -> None:
    store = Store()
    store.layer("app", LAYER)
    store.manifest("app", json.dumps(form(), indent=3).encode(), "1")
    report = MarkReport()

    assert await mark(store, report=report) == []
    assert report.damaged == 0


async def test_digests_whose_characters_are_escaped() -> None:
    store = Store()
    store.layer("app", LAYER)
    for form in (without_media_types, of_the_future):
        content = json.dumps(form()).replace("sha256:", "sha\\u0032\\u00356\\u003a").encode()
        store.manifest("app", content)

    assert await mark(store) == []


async def test_what_annotations_mention_is_no_content_of_a_known_form() -> None:
    store = Store()
    store.image("app", [], "1", annotations={"base": str(Digest.of(LAYER))})
    store.layer("app", LAYER)

    assert kinds(await mark(store)) == [("layer", "sha256"), ("blob", "sha256")]


async def test_the_subject_of_a_manifest_may_be_gone() -> None:
    """A deleted image's bytes do not stay for the sake of its signature."""
    store = Store()
    gone = store.blob(image([b"gone"]))
    subject = described(image([b"gone"]), OCI_MANIFEST)
    store.image("app", [], subject=subject)

    assert [one.digest for one in await mark(store)] == [gone]


def test_an_image_names_its_config_layers_and_subject() -> None:
    subject = described(b"subject", OCI_MANIFEST)
    content = image([LAYER], subject=subject, artifactType="a/b")

    found = references(content, Digest.of(content))

    assert [unpacked(each) for each in found.content] == [Digest.of(CONFIG), Digest.of(LAYER)]
    assert found.children == ()
    assert found.subject is not None
    assert unpacked(found.subject) == Digest.of(b"subject")
    assert found.artifact_type == "a/b"
