"""The whole registry on Swift, and Distribution 2.8 over the same container."""

import json
import random
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from tests.real.backends import Backend, open_backend
from tests.real.clients import COPIERS
from tests.real.crash import Ledger, Pusher
from tests.real.folder import SIDES, Folder, shared_folder
from tests.real.programs import clean_environment, run
from tests.real.registry import Registry, hexadecimal
from tests.real.servers import Server, StartDistribution, StartEntrepot, entrepot_command
from tests.real.test_clients import pulled_digests
from tests.tools.images import Image

MIB = 1024 * 1024
LAYER = bytes(range(251)) * (9 * MIB // 251)  # more than one segment
KILLS = 2
SEED = 20261130


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
    folder.push(side, image("docker"), repository)

    _, blobs = folder.other(side).verify(repository, "1")

    assert folder.other(side).digest(repository, "1") == image("docker").digest
    assert blobs == set(image("docker").blobs)


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


def test_what_distribution_left_is_collected_with_its_segments(
    distribution: StartDistribution,
) -> None:
    with open_backend("swift") as backend:
        server = distribution("2", None, backend.configuration)
        with Registry(server.url) as registry:
            kept = registry.push_image("kept", "1", [b"kept" + LAYER])
            needed = segments(backend)
            gone = registry.push_image("gone", "1", [b"gone" + LAYER])
            orphan = registry.push_blob("kept", b"orphan" + LAYER)
            assert len(segments(backend) - needed) == 6, "two large objects of three segments"
            assert registry.delete("gone", gone) == 202
            server.stop()

            collected = collect_offline(server)

            assert segments(backend) == needed
            assert collected["failed"] == 0
            assert collected["deleted"]["blob"] == 3  # a manifest, its layer, the orphan
            server.start()
            registry.verify("kept", "1")
            assert registry.digest("kept", "1") == kept
            assert registry.blob("kept", orphan).status_code == 404
            server.stop()


def collect_offline(server: Server) -> dict[str, Any]:
    """What our collection says at its end, over the storage of a Distribution that was stopped."""
    command = (*entrepot_command(), "garbage-collect", "--offline", "-m", "--quiet", "--json")
    said = run(*command, server.config_file, env=clean_environment(), timeout=120)
    return cast("dict[str, Any]", json.loads(said.splitlines()[-1])["result"])


def test_replica_that_is_killed_loses_nothing_and_disturbs_no_other(
    entrepot_server: StartEntrepot,
) -> None:
    with open_backend("swift") as backend:
        servers = [entrepot_server(backend.configuration) for _ in range(2)]
        ledgers = [Ledger(), Ledger()]
        pushers = [Pusher(servers[n].url, ledgers[n], n) for n in range(2)]
        for ledger, pusher in zip(ledgers, pushers, strict=True):
            ledger.up.set()
            pusher.start()
        kill_often(servers[0], ledgers[0], random.Random(SEED))
        for ledger, pusher in zip(ledgers, pushers, strict=True):
            ledger.stopped.set()
            pusher.join()

        killed, other = ledgers
        assert killed.problems + other.problems == []
        assert killed.interrupted >= KILLS, "kills in the middle of pushes"
        assert other.interrupted == 0
        assert other.pushes > 0
        verified = set[str]()
        for ledger, server in zip(ledgers, reversed(servers), strict=True):
            verified |= verify_acknowledged(server, ledger)
        assert torn(backend, verified) == []
        for server in servers:
            server.stop()


def kill_often(server: Server, ledger: Ledger, chance: random.Random) -> None:
    for _ in range(KILLS):
        wanted = ledger.pushes + 1
        if not any(ledger.wait_for_pushes(wanted) for _ in range(4)):  # Swift takes its time
            return
        threading.Event().wait(chance.random())  # not just behind an acknowledgement
        ledger.up.clear()
        server.kill()
        server.start()
        ledger.up.set()


def verify_acknowledged(server: Server, ledger: Ledger) -> set[str]:
    """All that a client was told is there is there, and whole; gives the digests of it."""
    verified = set[str]()
    with Registry(server.url) as registry:
        for (repository, tag), tagged in ledger.tags.items():
            if tagged.acknowledged is not None:
                assert tagged.may_be(registry.digest(repository, tag))
            if tagged.acknowledged is not None and tagged.acknowledged not in verified:
                manifests, blobs = registry.verify(repository, tagged.acknowledged)
                verified |= manifests | blobs
        for repository, digest in ledger.blobs:
            if digest not in verified:
                assert hexadecimal(registry.blob(repository, digest).content) == digest
                verified.add(digest)
    assert verified
    return verified


def torn(backend: Backend, verified: set[str]) -> list[str]:
    """Other blobs whose content is not what they are called after."""
    blobs = [name.split("/") for name in backend.bucket.objects() if "/blobs/" in name]
    return [
        hexes
        for *path, hexes, _ in blobs
        if f"sha256:{hexes}" not in verified
        and hexadecimal(backend.bucket.read("/".join((*path, hexes, "data")))) != f"sha256:{hexes}"
    ]


@pytest.mark.wide  # as is the suite, whose promises these are
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
