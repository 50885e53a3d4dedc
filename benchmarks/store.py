"""A store made by rule: many small images, some of them garbage, written past any registry.

Run as a program it fills a folder, which the filesystem drivers of Entrepot and Distribution
read alike: `python benchmarks/store.py FOLDER --repositories 2000`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Shape", "fill", "image", "name_of", "objects", "place_of"]

_BLOBS = "docker/registry/v2/blobs/sha256"
_REPOSITORIES = "docker/registry/v2/repositories"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class Shape:
    """How many repositories, images in each, and blobs of each image; one of them its config.

    Of every `garbage` images of a repository the last one has lost its link and its tag, as
    after a deletion: its manifest, its blobs and their links are garbage.
    """

    repositories: int = 2000
    images: int = 10
    blobs: int = 5
    garbage: int = 5

    @property
    def all_blobs(self) -> int:
        """Blobs that are no manifests."""
        return self.repositories * self.images * self.blobs

    @property
    def left_blobs(self) -> int:
        """What a collection leaves: the blobs of images that have their link, and manifests."""
        kept = self.images - self.images // self.garbage
        return self.repositories * kept * (self.blobs + 1)

    @property
    def all_manifests(self) -> int:
        """Manifests, with those that are garbage."""
        return self.repositories * self.images


def objects(shape: Shape) -> Iterator[tuple[str, bytes]]:
    """Every object of the store, its key and its content, in no order."""
    for number in range(shape.all_manifests):
        yield from image(shape, number)


def name_of(number: int) -> str:
    """The name of a repository by its number."""
    return f"team-{number % 50:02d}/app-{number:06d}"


def place_of(name: str) -> int:
    """The number of a repository by its name."""
    return int(name[-6:])


def image(shape: Shape, number: int) -> Iterator[tuple[str, bytes]]:
    """The objects of one image; those of a repository have numbers one after another."""
    place, which = divmod(number, shape.images)
    name = name_of(place)
    base = f"{_REPOSITORIES}/{name}"
    described: list[dict[str, object]] = []
    for blob in range(shape.blobs):
        content = f"{name} {which} {blob}\n".encode() * 4
        digest = hashlib.sha256(content).hexdigest()
        media_type = _LAYER if blob else _CONFIG
        described.append(
            {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}
        )
        yield f"{_BLOBS}/{digest[:2]}/{digest}/data", content
        yield f"{base}/_layers/sha256/{digest}/link", f"sha256:{digest}".encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": described[0],
            "layers": described[1:],
        }
    ).encode()
    digest = hashlib.sha256(manifest).hexdigest()
    yield f"{_BLOBS}/{digest[:2]}/{digest}/data", manifest
    if which % shape.garbage == shape.garbage - 1:
        return
    link = f"sha256:{digest}".encode()
    tag = f"{base}/_manifests/tags/v{which}"
    yield f"{base}/_manifests/revisions/sha256/{digest}/link", link
    yield f"{tag}/index/sha256/{digest}/link", link
    yield f"{tag}/current/link", link


def fill(folder: Path, shape: Shape, age: float = 0.0) -> int:
    """Write the store into a folder, not forced to the disk; gives the number of objects.

    Their times are `age` seconds ago.
    """
    then = time.time() - age
    count = 0
    for key, content in objects(shape):
        path = f"{folder}/{key}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        if age:
            os.utime(path, (then, then))
        count += 1
    return count


def main() -> int:
    """Fill the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Fill a folder with a store of small images.")
    parser.add_argument("folder", type=Path, help="where to, not yet there")
    default = Shape()
    for name in ("repositories", "images", "blobs", "garbage"):
        parser.add_argument(f"--{name}", type=int, default=getattr(default, name), metavar="N")
    asked = parser.parse_args()
    shape = Shape(asked.repositories, asked.images, asked.blobs, asked.garbage)
    asked.folder.mkdir(parents=True)
    count = fill(asked.folder, shape)
    print(f"{count} objects: {shape.all_blobs} blobs, {shape.all_manifests} manifests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
