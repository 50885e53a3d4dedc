"""A client of the application, in process, over a store of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

from entrepot.core.configuration import load
from entrepot.server.app import create_app

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def sha(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


@dataclass
class Pusher:
    """Puts content where a test needs it to be."""

    client: TestClient

    def blob(self, name: str, content: bytes, algorithm: str = "sha256") -> str:
        digest = sha(content, algorithm)
        response = self.client.post(
            f"/v2/{name}/blobs/uploads/", params={"digest": digest}, content=content
        )
        assert response.status_code == 201, response.text
        return digest

    def image(self, name: str, reference: str, **more: Any) -> tuple[str, bytes]:
        """An image of one config; gives the digest of its manifest, and its bytes."""
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2}
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config | {"digest": self.blob(name, b"{}")},
            "layers": list[Any](),
        } | more
        content = json.dumps(document).encode()
        response = self.manifest(name, reference, content)
        assert response.status_code == 201, response.text
        return sha(content), content

    def manifest(
        self, name: str, reference: str, content: bytes, media_type: str = MANIFEST_TYPE
    ) -> Any:
        url = f"/v2/{name}/manifests/{reference}"
        return self.client.put(url, content=content, headers={"Content-Type": media_type})


def client_of(**variables: str) -> TestClient:
    """A client of an application configured by REGISTRY_* variables, named without that."""
    environment = {"REGISTRY_STORAGE": "inmemory", "REGISTRY_STORAGE_DELETE_ENABLED": "true"}
    environment |= {f"REGISTRY_{name}": value for name, value in variables.items()}
    app = create_app(load(None, environment).configuration)
    return TestClient(app, base_url="http://registry.test", follow_redirects=False)


@pytest.fixture
def client() -> Generator[TestClient, None, None]:
    with client_of() as client:
        yield client


@pytest.fixture
def push(client: TestClient) -> Pusher:
    return Pusher(client)
