"""A registry seen through plain HTTP requests: what the tests compare clients with."""

import hashlib
import json
from collections.abc import Iterator
from typing import Self, TypedDict, cast

import httpx2

__all__ = ["ACCEPT", "Descriptor", "Registry", "hexadecimal"]

ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.manifest.v1",
        "oci.image.index.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
    )
)


class Descriptor(TypedDict):
    """The part of a descriptor that names content."""

    mediaType: str
    digest: str
    size: int


class Manifest(TypedDict, total=False):
    """What a manifest or an index refers to."""

    mediaType: str
    config: Descriptor
    layers: list[Descriptor]
    manifests: list[Descriptor]


def hexadecimal(content: bytes, algorithm: str = "sha256") -> str:
    """A digest of a content, of the algorithm asked for."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


class Registry:
    """Requests to one registry; close it, or use it as a context."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def manifest(self, repository: str, reference: str) -> httpx2.Response:
        """The answer to a GET of a manifest."""
        return self.http.get(f"/v2/{repository}/manifests/{reference}", headers={"Accept": ACCEPT})

    def digest(self, repository: str, tag: str) -> str:
        """The digest of what a tag points at, by the content that is served."""
        answer = self.manifest(repository, tag)
        assert answer.status_code == 200, answer.text
        digest = hexadecimal(answer.content)
        assert answer.headers["Docker-Content-Digest"] == digest
        return digest

    def blob(self, repository: str, digest: str) -> httpx2.Response:
        """The answer to a GET of a blob."""
        return self.http.get(f"/v2/{repository}/blobs/{digest}", follow_redirects=True)

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository, or none if there is no such repository."""
        answer = self.http.get(f"/v2/{repository}/tags/list")
        if answer.status_code == 404:
            return []
        return cast("list[str] | None", answer.json()["tags"]) or []

    def delete(self, repository: str, reference: str) -> int:
        """The status of deleting a manifest by digest or by tag."""
        return self.http.delete(f"/v2/{repository}/manifests/{reference}").status_code

    def verify(self, repository: str, reference: str) -> tuple[set[str], set[str]]:
        """Read all that a reference needs and hash it: digests of manifests and of blobs."""
        answer = self.manifest(repository, reference)
        assert answer.status_code == 200, f"{reference}: {answer.status_code} {answer.text}"
        algorithm = reference.partition(":")[0] if ":" in reference else "sha256"
        manifests, blobs = {hexadecimal(answer.content, algorithm)}, set[str]()
        if ":" in reference:
            assert manifests == {reference}
        body = cast("Manifest", json.loads(answer.content))
        for child in body.get("manifests", []):
            below = self.verify(repository, child["digest"])
            manifests |= below[0]
            blobs |= below[1]
        for descriptor in (
            *([body["config"]] if "config" in body else []),
            *body.get("layers", []),
        ):
            self.verify_blob(repository, descriptor)
            blobs.add(descriptor["digest"])
        return manifests, blobs

    def verify_blob(self, repository: str, descriptor: Descriptor) -> None:
        """Read one blob in pieces: its size and its digest are what a manifest says."""
        algorithm, _, expected = descriptor["digest"].partition(":")
        state, size = hashlib.new(algorithm), 0
        path = f"/v2/{repository}/blobs/{descriptor['digest']}"
        with self.http.stream("GET", path, follow_redirects=True) as answer:
            assert answer.status_code == 200, f"{path}: {answer.status_code}"
            for piece in answer.iter_raw():
                state.update(piece)
                size += len(piece)
        assert (state.hexdigest(), size) == (expected, descriptor["size"]), path

    def begin_upload(self, repository: str) -> str:
        """The address of a new upload."""
        answer = self.http.post(f"/v2/{repository}/blobs/uploads/")
        assert answer.status_code == 202, answer.text
        return str(answer.headers["Location"])

    def push_blob(self, repository: str, content: bytes, algorithm: str = "sha256") -> str:
        """Push a blob in one PUT; returns its digest."""
        digest = hexadecimal(content, algorithm)
        location = httpx2.URL(self.begin_upload(repository)).copy_merge_params({"digest": digest})
        answer = self.http.put(location, content=content)
        assert answer.status_code == 201, answer.text
        return digest

    def push_manifest(
        self, repository: str, reference: str, content: bytes, media_type: str
    ) -> httpx2.Response:
        """The answer to a PUT of a manifest."""
        return self.http.put(
            f"/v2/{repository}/manifests/{reference}",
            content=content,
            headers={"Content-Type": media_type},
        )

    def push_image(
        self,
        repository: str,
        tag: str,
        layers: Iterator[bytes] | list[bytes],
        algorithm: str = "sha256",
    ) -> str:
        """Push a small image of these layers under a tag; returns its digest."""
        parts = [
            Descriptor(
                mediaType="application/vnd.oci.image.layer.v1.tar",
                digest=self.push_blob(repository, layer, algorithm),
                size=len(layer),
            )
            for layer in layers
        ]
        config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
        kind = "application/vnd.oci.image.manifest.v1+json"
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": Descriptor(
                mediaType="application/vnd.oci.image.config.v1+json",
                digest=self.push_blob(repository, config),
                size=len(config),
            ),
            "layers": parts,
        }
        content = json.dumps(manifest).encode()
        answer = self.push_manifest(repository, tag, content, kind)
        assert answer.status_code == 201, answer.text
        return hexadecimal(content)
