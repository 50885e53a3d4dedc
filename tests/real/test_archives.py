"""Layouts that go out of our store into others' tools, and the other way."""

import json
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from tests.real.backends import open_backend
from tests.real.clients import COPIERS, regctl
from tests.real.engines import containerd
from tests.real.programs import require_tool, run
from tests.real.registry import Registry
from tests.real.servers import Server, StartDistribution, StartEntrepot, entrepot_command
from tests.real.site import Site
from tests.tools.images import Image

NAMES = ["single", "multi", "referrer", "zstd"]
SPDX = "application/spdx+json"


@pytest.fixture(scope="module")
def there(distribution: StartDistribution) -> Server:
    """A registry of another maker."""
    return distribution("3")


@pytest.fixture(scope="module")
def at_the_other_end(there: Server) -> Generator[Registry, None, None]:
    with Registry(there.url) as opened:
        yield opened


@pytest.fixture
def filled(site: Site) -> dict[str, Image]:
    """Images pushed by skopeo and oras, each to a repository of its own."""
    found = {name: site.image(name) for name in NAMES}
    for name, image in found.items():
        client = COPIERS["oras" if name == "referrer" else "skopeo"]
        client.push(image, site.reference(below=f"/{name}"), site.env)
    return found


def entrepot(server: Server, command: str, *arguments: str | Path) -> str:
    return run(*entrepot_command(), command, server.config_file, *arguments)


def export(site: Site, to: str, *wanted: str) -> Path:
    path = site.folder / to
    entrepot(site.server, "export", *(f"{site.repository}/{one}" for one in wanted), "--to", path)
    return path


@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
def test_skopeo_copies_what_was_exported(
    transport: str, site: Site, filled: dict[str, Image], there: Server, at_the_other_end: Registry
) -> None:
    path = export(site, "it.tar" if transport == "oci-archive" else "it", "*")

    for name, image in filled.items():
        target = f"{site.repository}/{name}"
        run(
            require_tool("skopeo"),
            *("--insecure-policy", "copy", "--all", "--preserve-digests"),
            "--dest-tls-verify=false",
            f"{transport}:{path}:{target}:1",
            f"docker://{there.address}/{target}:1",
            env=site.env,
        )
        at_the_other_end.verify(target, "1")
        assert at_the_other_end.digest(target, "1") == image.digest


def test_oras_copies_an_exported_image_with_what_refers_to_it(
    site: Site, filled: dict[str, Image], entrepot_server: StartEntrepot
) -> None:
    folder = export(site, "it", "referrer:1")
    other = entrepot_server()
    reference = f"{other.address}/{site.repository}:1"

    COPIERS["oras"].run(
        ("cp", "-r", "--from-oci-layout", "--to-plain-http", f"{folder}:1", reference), site.env
    )

    with Registry(other.url) as registry:
        digest = filled["referrer"].digest
        assert registry.digest(site.repository, "1") == digest
        referrers = registry.http.get(f"/v2/{site.repository}/referrers/{digest}").json()
        assert [one["artifactType"] for one in referrers["manifests"]] == [SPDX]


def test_regctl_and_crane_copy_an_exported_image(
    site: Site, filled: dict[str, Image], there: Server, at_the_other_end: Registry
) -> None:
    folder = export(site, "it", "single")
    name = f"{site.repository}/by"

    copy = ("image", "copy", f"ocidir://{folder}:1", f"{there.address}/{name}-regctl:1")
    COPIERS["regctl"].run(regctl(there.address, *copy), site.env)
    push = ("push", "--insecure", folder, f"{there.address}/{name}-crane:1")
    COPIERS["crane"].run(push, site.env)

    for client in ("regctl", "crane"):
        at_the_other_end.verify(f"{name}-{client}", "1")
        assert at_the_other_end.digest(f"{name}-{client}", "1") == filled["single"].digest


def test_containerd_imports_what_was_exported(site: Site, filled: dict[str, Image]) -> None:
    path = export(site, "it.tar", "single", "multi")

    with containerd() as ctr:
        ctr("images", "import", "--no-unpack", "--all-platforms", path)
        listed = [line.split()[:3] for line in ctr("images", "list").splitlines()[1:]]
        back = site.folder / "back.tar"
        ctr("images", "export", "--all-platforms", back, f"{site.repository}/multi:1")
    target = f"{site.repository}/back"
    entrepot(site.server, "import", back, "--repository", target)

    assert {name: digest for name, _, digest in listed} == {
        f"{site.repository}/{name}:1": filled[name].digest for name in ("single", "multi")
    }
    site.registry.verify(target, "1")
    assert site.registry.digest(target, "1") == filled["multi"].digest


@pytest.mark.parametrize("client", ["skopeo", "oras", "regctl", "crane"])
def test_layouts_of_others_are_imported_while_a_registry_serves(
    client: str, site: Site, filled: dict[str, Image]
) -> None:
    name = "single" if client == "crane" else "referrer"
    image = filled[name]
    pulled = site.folder / "pulled"
    COPIERS[client].pull(site.reference(below=f"/{name}"), pulled, site.env)
    target = f"{site.repository}/by-{client}"
    entries = json.loads((pulled / "index.json").read_text())["manifests"]

    entrepot(site.server, "import", pulled, "--repository", target)

    tags = site.registry.tags(target)
    if client == "crane":  # it gives no names
        assert (tags, len(entries)) == ([], 1)
        site.registry.verify(target, image.digest)
        return
    assert "1" in tags
    site.registry.verify(target, "1")
    assert site.registry.digest(target, "1") == image.digest
    if client != "skopeo":  # which copies no referrers
        referrers = site.registry.http.get(f"/v2/{target}/referrers/{image.digest}").json()
        assert [one["artifactType"] for one in referrers["manifests"]] == [SPDX]


def test_tar_that_another_program_packed_in_its_own_order(
    site: Site, filled: dict[str, Image]
) -> None:
    folder = export(site, "it", "multi")
    path = site.folder / "packed.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            archive.add(file, f"./{file.relative_to(folder)}", recursive=False)
    target = f"{site.repository}/unpacked"

    entrepot(site.server, "import", path, "--repository", target)

    site.registry.verify(target, "1")
    assert site.registry.digest(target, "1") == filled["multi"].digest


def test_air_gap_by_deltas(
    site: Site,
    filled: dict[str, Image],
    entrepot_server: StartEntrepot,
    image: Callable[[str], Image],
) -> None:
    other = entrepot_server()
    first = export(site, "first", "**")
    COPIERS["skopeo"].push(image("twelve"), site.reference(below="/twelve"), site.env)
    delta = site.folder / "delta.tar"
    wanted = f"{site.repository}/**"
    entrepot(site.server, "export", wanted, "--to", delta, "--since", first / "index.json")

    entrepot(other, "import", first)
    entrepot(other, "import", delta)

    with tarfile.open(delta) as archive:
        again = {Path(name).name for name in archive.getnames()}
    again &= {file.name for file in (first / "blobs").rglob("*")}
    manifests = set[str]().union(*(one.manifests for one in filled.values()))
    assert {f"sha256:{name}" for name in again} <= manifests
    with Registry(other.url) as registry:
        for name in (*filled, "twelve"):
            registry.verify(f"{site.repository}/{name}", "1")
            assert registry.digest(f"{site.repository}/{name}", "1") == image(name).digest


def test_into_a_bucket_and_out_of_it(site: Site) -> None:
    image = site.image("referrer")
    config, path = site.folder / "config.yml", site.folder / "it.tar"
    with open_backend("s3") as backend:
        config.write_text(json.dumps({"version": 0.1, **backend.configuration}))
        command = entrepot_command()
        run(*command, "import", config, image.folder, "--repository", "team/app")
        held = json.loads(run(*command, "du", config, "--json"))
        run(*command, "export", config, "team/app", "--to", path)

    contents = {file.name: file.read_bytes() for file in (image.folder / "blobs").rglob("*/*")}
    size = sum(map(len, contents.values()))
    assert held["store"]["bytes"] == {"logical": size, "physical": size, "unlinked": 0}
    with tarfile.open(path) as archive:
        files = {Path(one.name).name: archive.extractfile(one) for one in archive}
        found = {name: file.read() for name, file in files.items() if file and len(name) == 64}
    assert found == contents


def test_import_that_was_killed_goes_on(
    site: Site, entrepot_server: StartEntrepot, image: Callable[[str], Image]
) -> None:
    other = entrepot_server()
    COPIERS["skopeo"].push(image("many"), site.reference(below="/many"), site.env)
    folder = export(site, "it", "many")
    name = f"{site.repository}/many"
    links = other.root / "docker/registry/v2/repositories" / name / "_layers/sha256"
    arguments = [*entrepot_command(), "import", str(other.config_file), str(folder)]

    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        while process.poll() is None and not (links.exists() and any(links.iterdir())):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    with Registry(other.url) as registry:
        was_half = registry.tags(name) == []
        entrepot(other, "import", folder)
        registry.verify(name, "1")
        assert registry.digest(name, "1") == image("many").digest
    assert was_half
