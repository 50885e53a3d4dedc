"""The clients that copy images without an engine: how each is told to do what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.real.programs import require_tool, run
from tests.tools.images import Image

__all__ = ["COPIERS", "Copier"]

Command = tuple[str | Path, ...]
Environment = Mapping[str, str]

ALL = frozenset({"single", "twelve", "multi", "referrer", "zstd", "plain", "many", "big"})
DOCKER = frozenset({"docker", "docker-list"})
INDEXES = frozenset({"multi"})


@dataclass(frozen=True, slots=True)
class Copier:
    """One client: the arguments of its verbs, `reference` being address/repository:tag."""

    name: str
    push_command: Callable[[Image, str], Command]
    pull_command: Callable[[str, Path], Command]
    copy_command: Callable[[str, str], Command]
    tags_command: Callable[[str], Command]
    delete_command: Callable[[str], Command]
    images: frozenset[str] = ALL

    def run(self, arguments: Command, env: Environment) -> str:
        """Run the client; it must succeed."""
        return run(require_tool(self.name), *arguments, env=env)

    def push(self, image: Image, reference: str, env: Environment) -> None:
        """Push an image from disk."""
        self.run(self.push_command(image, reference), env)

    def pull(self, reference: str, folder: Path, env: Environment) -> None:
        """Pull an image into a folder."""
        self.run(self.pull_command(reference, folder), env)

    def copy(self, source: str, target: str, env: Environment) -> None:
        """Copy from one repository to another."""
        self.run(self.copy_command(source, target), env)

    def tags(self, repository: str, env: Environment) -> list[str]:
        """List tags; skopeo prints JSON, the others one a line."""
        said = self.run(self.tags_command(repository), env)
        return [line.strip(' ",') for line in said.splitlines() if ":" not in line]

    def delete(self, reference: str, env: Environment) -> None:
        """Delete what a tag points at, in the way of the client."""
        self.run(self.delete_command(reference), env)


def oci_or_dir(reference: str, folder: Path) -> str:
    """Where skopeo puts a pulled image: Docker's media types do not fit into an OCI layout."""
    return f"dir:{folder}" if "/docker" in reference else f"oci:{folder}:1"


SKOPEO = Copier(
    name="skopeo",
    push_command=lambda image, reference: (
        "--insecure-policy",
        "copy",
        "--all",
        "--preserve-digests",
        "--dest-tls-verify=false",
        image.source,
        f"docker://{reference}",
    ),
    pull_command=lambda reference, folder: (
        "--insecure-policy",
        "copy",
        "--all",
        "--preserve-digests",
        "--src-tls-verify=false",
        f"docker://{reference}",
        oci_or_dir(reference, folder),
    ),
    copy_command=lambda source, target: (
        "--insecure-policy",
        "copy",
        "--all",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        f"docker://{source}",
        f"docker://{target}",
    ),
    tags_command=lambda repository: ("list-tags", "--tls-verify=false", f"docker://{repository}"),
    delete_command=lambda reference: ("delete", "--tls-verify=false", f"docker://{reference}"),
    images=ALL | DOCKER,
)
CRANE = Copier(
    name="crane",
    push_command=lambda image, reference: (
        "push",
        "--insecure",
        *(["--index"] if image.name in INDEXES else []),
        image.folder,
        reference,
    ),
    pull_command=lambda reference, folder: (
        "pull",
        "--insecure",
        "--format=oci",
        reference,
        folder,
    ),
    copy_command=lambda source, target: ("copy", "--insecure", source, target),
    tags_command=lambda repository: ("ls", "--insecure", repository),
    delete_command=lambda reference: ("delete", "--insecure", reference),
    # crane pushes a layout of one entry, or wraps all entries into an index of its own.
    images=ALL - {"referrer"} - INDEXES,
)
ORAS = Copier(
    name="oras",
    push_command=lambda image, reference: (
        "cp",
        "-r",
        "--from-oci-layout",
        "--to-plain-http",
        f"{image.folder}:1",
        reference,
    ),
    pull_command=lambda reference, folder: (
        "cp",
        "-r",
        "--from-plain-http",
        "--to-oci-layout",
        reference,
        f"{folder}:1",
    ),
    copy_command=lambda source, target: (
        "cp",
        "-r",
        "--from-plain-http",
        "--to-plain-http",
        source,
        target,
    ),
    tags_command=lambda repository: ("repo", "tags", "--plain-http", repository),
    delete_command=lambda reference: ("manifest", "delete", "--plain-http", "--force", reference),
)


def regctl(host: str, *arguments: str) -> Command:
    """Arguments with which regctl speaks plain HTTP to a registry."""
    return ("--host", f"reg={host.partition('/')[0]},tls=disabled", *arguments)


REGCTL = Copier(
    name="regctl",
    push_command=lambda image, reference: regctl(
        reference, "image", "copy", "--referrers", f"ocidir://{image.folder}:1", reference
    ),
    pull_command=lambda reference, folder: regctl(
        reference, "image", "copy", "--referrers", reference, f"ocidir://{folder}:1"
    ),
    copy_command=lambda source, target: regctl(
        source, "image", "copy", "--referrers", source, target
    ),
    tags_command=lambda repository: regctl(repository, "tag", "ls", repository),
    delete_command=lambda reference: regctl(reference, "tag", "delete", reference),
)
COPIERS = {each.name: each for each in (SKOPEO, CRANE, ORAS, REGCTL)}
