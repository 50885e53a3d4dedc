"""The whole registry on Swift, and Distribution 2.8 over the same container."""

import json
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import httpx2
import pytest
from tests.real.backends import Backend, open_backend
from tests.real.clients import COPIERS
from tests.real.folder import SIDES, Folder, shared_folder
from tests.real.programs import clean_environment, run
from tests.real.registry import Registry, hexadecimal
from tests.real.servers import StartDistribution, StartEntrepot
from tests.real.test_clients import pulled_digests
from tests.tools.images import Image

MIB = 1024 * 1024
LAYER = bytes(range(251)) * (9 * MIB // 251)  # more than one segment


@pytest.fixture(scope="module")
def backend() -> Generator[Backend, None, None]:
    """A container of its own."""
    with open_backend("swift") as backend:
        yield backend


@pytest.fixture(scope="module")
def folder(
    backend: Backend, entrepot_server: StartEntrepot, distribution: StartDistribution
) -> Generator[Folder, None, None]:
    """The container under both servers at the same time."""
    with shared_folder("2", entrepot_server, distribution, backend) as shared:
        yield shared


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> str:
    """The side that begins."""
    return str(request.param)


def test_image_returns_unchanged(
    folder: Folder, repository: str, env: dict[str, str], image: Callable[[str], Image]
) -> None:
    client, pushed = COPIERS["skopeo"], image("big")
    reference = f"{folder.servers['ours'].address}/{repository}:1"
    pulled = Path(env["HOME"]).parent / "pulled"

    client.push(pushed, reference, env)
    client.pull(reference, pulled, env)

    assert folder.ours.digest(repository, "1") == pushed.digest
    assert pulled_digests(pulled) >= pushed.manifests | pushed.blobs


def test_image_pushed_to_one_side_is_served_by_the_other(
    folder: Folder, side: str, repository: str, image: Callable[[str], Image]
) -> None:
    folder.push(side, image("twelve"), repository)

    _, blobs = folder.other(side).verify(repository, "1")

    assert folder.other(side).digest(repository, "1") == image("twelve").digest
    assert blobs == set(image("twelve").blobs)


def test_large_layer_of_one_side_is_served_by_the_other(
    folder: Folder, side: str, repository: str, backend: Backend
) -> None:
    before = segments(backend)
    content = f"{side} {repository}".encode() + LAYER
    digest = folder.sides[side].push_blob(repository, content)
    assert len(segments(backend) - before) > 1
    path = f"/v2/{repository}/blobs/{digest}"
    asked = {"Range": f"bytes={4 * MIB - 1}-{4 * MIB + 1}"}

    answer = folder.other(side).http.get(path)
    part = folder.other(side).http.get(path, headers=asked)

    assert hexadecimal(answer.content) == digest
    assert part.content == content[4 * MIB - 1 : 4 * MIB + 2]


def test_client_is_sent_to_swift(
    backend: Backend, folder: Folder, entrepot_server: StartEntrepot, repository: str
) -> None:
    digest = folder.theirs.push_blob(repository, f"linked {repository}".encode() + LAYER)
    server = entrepot_server(backend.configured(redirect=True))
    try:
        with Registry(server.url) as registry:
            sent = registry.http.get(f"/v2/{repository}/blobs/{digest}", follow_redirects=False)
    finally:
        server.stop()

    answer = httpx2.get(sent.headers["Location"], timeout=60)

    assert sent.status_code == 307
    assert httpx2.URL(sent.headers["Location"]).netloc.decode() == backend.endpoint
    assert hexadecimal(answer.content) == digest


def test_every_promise_is_kept_and_nothing_is_left(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    with open_backend("swift") as backend:
        config.write_text(json.dumps({"version": "0.1", **backend.configuration}))
        command = (sys.executable, "-m", "entrepot.server", "drivers", "check", config, "--json")
        report = json.loads(run(*command, env=clean_environment(), timeout=300))

        assert [row for row in report["checks"] if row["result"] == "failed"] == []
        assert backend.secrets[0] not in json.dumps(report)
        assert backend.bucket.objects() == []


def segments(backend: Backend) -> set[str]:
    return {name for name in backend.bucket.objects() if name.startswith("below/here/segments/")}
