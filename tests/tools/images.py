"""Makes the test images, out of generated content: seconds, and no network.

    python tests/tools/images.py FOLDER [--big MEGABYTES]

Each image is an OCI layout whose content is known to the byte, or a `dir:` folder of
skopeo's where an OCI layout may not hold its media types. The same call makes the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import random
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
MIB = 1024 * 1024
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Image:
    """One image on disk, and what a registry must hold of it."""

    name: str
    folder: Path
    transport: str  # of containers/image: oci or dir
    digest: str  # of the manifest or index under the tag
    manifests: frozenset[str]  # digests, the tagged one included
    blobs: frozenset[str]  # digests of configs and layers

    @property
    def source(self) -> str:
        """The image as skopeo, podman and buildah name it."""
        return f"{self.transport}:{self.folder}{':1' if self.transport == 'oci' else ''}"


@dataclass(frozen=True, slots=True)
class Dialect:
    """The media types of one family of manifests."""

    manifest: str
    index: str
    config: str
    layer: str
    suffixes: Mapping[str, str]


OCI_DIALECT = Dialect(
    f"{OCI}.manifest.v1+json",
    f"{OCI}.index.v1+json",
    f"{OCI}.config.v1+json",
    f"{OCI}.layer.v1.tar",
    {"gzip": "+gzip", "zstd": "+zstd", "none": ""},
)
DOCKER_DIALECT = Dialect(
    f"{DOCKER}.distribution.manifest.v2+json",
    f"{DOCKER}.distribution.manifest.list.v2+json",
    f"{DOCKER}.container.image.v1+json",
    f"{DOCKER}.image.rootfs.diff.tar",
    {"gzip": ".gzip"},
)


def digest_of(content: bytes) -> str:
    """The sha256 digest of a content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def encode(value: Json) -> bytes:
    """Compact JSON, as clients write it."""
    return json.dumps(value, separators=(",", ":")).encode()


def compress_zstd(content: bytes) -> bytes:
    """Zstandard, by the program of that name."""
    return subprocess.run(
        ("zstd", "-q", "-c"), input=content, stdout=subprocess.PIPE, check=True
    ).stdout


COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": lambda content: gzip.compress(content, 1, mtime=0),
    "zstd": compress_zstd,
    "none": lambda content: content,
}


def tar(files: Mapping[str, bytes]) -> bytes:
    """A layer's archive: regular executable files, no owner and no time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def sample(seed: str, size: int) -> bytes:
    """Reproducible content, half of which compresses well."""
    noise = random.Random(seed).randbytes(size // 2)
    text = f"{seed}: goods stored on their way to somewhere else\n".encode()
    return noise + (text * (size // len(text) + 1))[: size - len(noise)]


def sample_layer(seed: str, size: int) -> bytes:
    """A layer of one file of that size."""
    return tar({f"srv/{seed}": sample(seed, size)})


@dataclass(slots=True)
class Store:
    """The content of one image while it is made."""

    dialect: Dialect = OCI_DIALECT
    manifests: dict[str, bytes] = field(default_factory=dict[str, bytes])
    blobs: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def blob(self, content: bytes, media_type: str) -> Json:
        """Keep a config or layer; returns its descriptor."""
        digest = digest_of(content)
        self.blobs[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def manifest(self, media_type: str, members: Json) -> Json:
        """Keep a manifest or index; returns its descriptor."""
        content = encode({"schemaVersion": 2, "mediaType": media_type, **members})
        digest = digest_of(content)
        self.manifests[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def image(
        self, layers: Iterable[bytes], compression: str = "gzip", architecture: str = "amd64"
    ) -> Json:
        """Keep a runnable image of these archives; returns its descriptor."""
        archives = list(layers)
        kind = self.dialect.layer + self.dialect.suffixes[compression]
        packed = [self.blob(COMPRESSIONS[compression](each), kind) for each in archives]
        config = {
            "created": "2025-01-01T00:00:00Z",
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/bin/busybox", "echo", "goods arrived"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(each) for each in archives]},
            "history": [{"created_by": f"layer {n}"} for n in range(len(archives))],
        }
        described = self.blob(encode(config), self.dialect.config)
        return self.manifest(self.dialect.manifest, {"config": described, "layers": packed})

    def index(self, children: Mapping[str, Json]) -> Json:
        """Keep an index of one image per architecture; returns its descriptor."""
        members = [
            {**child, "platform": {"os": "linux", "architecture": architecture}}
            for architecture, child in children.items()
        ]
        return self.manifest(self.dialect.index, {"manifests": members})

    def artifact(self, content: bytes, kind: str, subject: Json) -> Json:
        """Keep an artifact attached to a subject; returns its descriptor."""
        members = {
            "artifactType": kind,
            "config": self.blob(b"{}", EMPTY_TYPE),
            "layers": [self.blob(content, kind)],
            "subject": subject,
        }
        return {**self.manifest(self.dialect.manifest, members), "artifactType": kind}

    def save(self, folder: Path, tagged: Json) -> Image:
        """Write the content to a fresh folder, in the form its dialect asks for."""
        shutil.rmtree(folder, ignore_errors=True)
        write = write_dir if self.dialect is DOCKER_DIALECT else write_layout
        write(self, folder, tagged)
        return Image(
            name=folder.name,
            folder=folder,
            transport="dir" if self.dialect is DOCKER_DIALECT else "oci",
            digest=str(tagged["digest"]),
            manifests=frozenset(self.manifests),
            blobs=frozenset(self.blobs),
        )


def write_layout(store: Store, folder: Path, tagged: Json) -> None:
    """An OCI layout with the image under tag 1 and all else unnamed."""
    (folder / "blobs" / "sha256").mkdir(parents=True)
    for digest, content in (store.blobs | store.manifests).items():
        (folder / "blobs" / digest.replace(":", "/")).write_bytes(content)
    named = {**tagged, "annotations": {"org.opencontainers.image.ref.name": "1"}}
    artifacts = [
        {"mediaType": OCI_DIALECT.manifest, "digest": digest, "size": len(content)}
        for digest, content in store.manifests.items()
        if b'"subject"' in content
    ]
    (folder / "oci-layout").write_bytes(encode({"imageLayoutVersion": "1.0.0"}))
    index = {"mediaType": OCI_DIALECT.index, "manifests": [named, *artifacts]}
    (folder / "index.json").write_bytes(encode({"schemaVersion": 2, **index}))


def write_dir(store: Store, folder: Path, tagged: Json) -> None:
    """A folder of skopeo's `dir:` transport."""
    folder.mkdir(parents=True)
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    for digest, content in store.blobs.items():
        (folder / digest.removeprefix("sha256:")).write_bytes(content)
    for digest, content in store.manifests.items():
        hexadecimal = digest.removeprefix("sha256:")
        name = "" if digest == tagged["digest"] else f"{hexadecimal}."
        (folder / f"{name}manifest.json").write_bytes(content)


def layers_of(name: str, sizes: Sequence[int]) -> list[bytes]:
    """One layer for each size."""
    return [sample_layer(f"{name}-{n}", size) for n, size in enumerate(sizes)]


def busybox_layer() -> bytes:
    """A layer that runs: Debian's statically linked busybox."""
    program = shutil.which("busybox") or "/bin/busybox"
    return tar({"bin/busybox": Path(program).read_bytes()})


def both_architectures(store: Store, name: str) -> Json:
    """An index of two small images."""
    names = ("amd64", "arm64")
    return store.index(
        {each: store.image(layers_of(f"{name}-{each}", [MIB]), "gzip", each) for each in names}
    )


def with_artifact(store: Store) -> Json:
    """An image with a bill of materials attached to it; the image is what is tagged."""
    subject = store.image(layers_of("referrer", [MIB]))
    store.artifact(sample("sbom", 20_000), "application/spdx+json", subject)
    return subject


RECIPES: Mapping[str, Callable[[Store, int], Json]] = {
    "single": lambda store, _: store.image(layers_of("single", [8 * MIB])),
    "twelve": lambda store, _: store.image(layers_of("twelve", [n * MIB // 4 for n in range(12)])),
    "multi": lambda store, _: both_architectures(store, "multi"),
    "referrer": lambda store, _: with_artifact(store),
    "docker": lambda store, _: store.image(layers_of("docker", [MIB, 2 * MIB])),
    "docker-list": lambda store, _: both_architectures(store, "docker-list"),
    "zstd": lambda store, _: store.image(layers_of("zstd", [2 * MIB, MIB]), "zstd"),
    "plain": lambda store, _: store.image(layers_of("plain", [MIB, MIB]), "none"),
    "many": lambda store, _: store.image(layers_of("many", [3_000 + n for n in range(42)])),
    "busybox": lambda store, _: store.image([busybox_layer()]),
    "big": lambda store, size: store.image(
        [tar({"srv/big": random.Random("big").randbytes(size)})], "none"
    ),
}


def make_image(folder: Path, name: str, big_megabytes: int = 64) -> Image:
    """Make one image of the set in a folder of its name."""
    store = Store(DOCKER_DIALECT if name.startswith("docker") else OCI_DIALECT)
    tagged = RECIPES[name](store, big_megabytes * MIB)
    return store.save(folder / name, tagged)


def main() -> None:
    """Command line: make the whole set and say what it is."""
    parser = argparse.ArgumentParser(description="Make the test images.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--big", type=int, default=64, metavar="MEGABYTES")
    arguments = parser.parse_args()
    for name in RECIPES:
        image = make_image(arguments.folder.resolve(), name, arguments.big)
        print(f"{image.source}  {image.digest}  {len(image.blobs)} blobs")


if __name__ == "__main__":
    main()
