"""Which content a registry takes: classes of images, completeness of indexes, admissions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.core.stores import CONFIG, chunks, open_repository

from entrepot.core.access import DeniedError
from entrepot.core.configuration import load
from entrepot.core.content import Platforms
from entrepot.core.errors import ManifestBlobUnknownError
from entrepot.core.manifest import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from entrepot.core.names import Digest, Tag
from entrepot.core.registry import Rules
from entrepot.server.app import create_app

pytestmark = pytest.mark.anyio

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
PLUGIN_CONFIG = "application/vnd.docker.plugin.v1+json"
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
T = Tag("t")
AMD64 = {"os": "linux", "architecture": "amd64"}
ARM64 = {"os": "linux", "architecture": "arm64"}


def image(config: str, media_type: str = OCI_MANIFEST) -> bytes:
    described = {"mediaType": config, "digest": str(Digest.of(CONFIG)), "size": len(CONFIG)}
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": described,
        "layers": [],
    }
    return json.dumps(document).encode()


def index(*platforms: dict[str, str] | None, media_type: str = OCI_INDEX) -> bytes:
    """An index of images that do not exist, for these platforms."""
    children: list[dict[str, Any]] = [
        {"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": 2}
        | ({} if platform is None else {"platform": platform})
        for number, platform in enumerate(platforms)
    ]
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": children}
    return json.dumps(document).encode()


async def push(rules: Rules, content: bytes) -> None:
    async with open_repository(rules=rules) as repository:
        await repository.blobs.put(Digest.of(CONFIG), chunks(CONFIG))
        await repository.manifests.put(T, content, None)


@pytest.mark.parametrize(
    ("classes", "content"),
    [
        ((), image(HELM_CONFIG)),
        (("image",), image(OCI_CONFIG)),
        (("image",), image(DOCKER_CONFIG, DOCKER_MANIFEST)),
        (("plugin",), image(PLUGIN_CONFIG, DOCKER_MANIFEST)),
        (("plugin", "image"), image(OCI_CONFIG)),
        (("plugin",), index()),
        (("plugin",), index(media_type=DOCKER_LIST)),
    ],
)
async def test_class_allowed(classes: tuple[str, ...], content: bytes) -> None:
    await push(Rules(classes=classes), content)


@pytest.mark.parametrize(
    ("classes", "content", "told"),
    [
        (("plugin",), image(OCI_CONFIG), "registry does not allow image manifest"),
        (
            ("image",),
            image(PLUGIN_CONFIG, DOCKER_MANIFEST),
            "registry does not allow plugin manifest",
        ),
        (("image",), image(HELM_CONFIG), f"unknown manifest class for {HELM_CONFIG}"),
        (("image",), image(DOCKER_CONFIG), f"unknown manifest class for {DOCKER_CONFIG}"),
        (("image",), image("x" * 5000), f"unknown manifest class for {'x' * 200}"),
    ],
)
async def test_class_denied(classes: tuple[str, ...], content: bytes, told: str) -> None:
    with pytest.raises(DeniedError) as caught:
        await push(Rules(classes=classes), content)

    assert caught.value.message == told


@pytest.mark.parametrize(
    ("platforms", "content"),
    [
        (Platforms("none"), index(AMD64, None)),
        (Platforms("list", frozenset({("linux", "amd64")})), index(ARM64)),
        (Platforms("list", frozenset({("linux", "amd64")})), index({"os": "linux"})),
        (
            Platforms("list", frozenset({("linux", "amd64")})),
            index({"os": "windows", "architecture": "amd64"}),
        ),
    ],
)
async def test_index_may_lack_images(platforms: Platforms, content: bytes) -> None:
    await push(Rules(platforms=platforms), content)


@pytest.mark.parametrize(
    ("platforms", "content", "missing"),
    [
        (Platforms(), index(AMD64, ARM64), 2),
        (Platforms("list"), index(AMD64, ARM64), 2),
        (Platforms("list", frozenset({("linux", "amd64")})), index(ARM64, AMD64, None), 2),
        (Platforms("list", frozenset({("linux", "amd64")})), index(AMD64 | {"variant": "v3"}), 1),
    ],
)
async def test_index_must_have_images(platforms: Platforms, content: bytes, missing: int) -> None:
    with pytest.raises(ManifestBlobUnknownError) as caught:
        await push(Rules(platforms=platforms), content)

    assert len(caught.value.missing) == missing


def test_configuration_is_heeded() -> None:
    from starlette.testclient import TestClient

    environment = {
        "REGISTRY_STORAGE": "inmemory",
        "REGISTRY_POLICY_REPOSITORY_CLASSES": "[image]",
        "REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS": "list",
        "REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMLIST": "[{os: linux, architecture: amd64}]",
    }
    with TestClient(create_app(load(None, environment).configuration)) as client:
        put = client.put

        def pushed(content: bytes, media_type: str) -> int:
            headers = {"Content-Type": media_type}
            return put("/v2/a/manifests/t", content=content, headers=headers).status_code

        assert pushed(index(ARM64), OCI_INDEX) == 201
        assert pushed(index(AMD64), OCI_INDEX) == 400
        assert pushed(image(HELM_CONFIG), OCI_MANIFEST) == 403
