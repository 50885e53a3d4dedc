"""Scrubs of what Distribution wrote, repairs from a running registry, referrers made anew."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from tests.real.backends import Backend
from tests.real.clients import COPIERS, regctl
from tests.real.folder import content
from tests.real.programs import clean_environment, require_tool, run
from tests.real.registry import Registry, hexadecimal
from tests.real.servers import Server, StartDistribution, StartEntrepot
from tests.tools.images import Image

OCI = "application/vnd.oci.image.manifest.v1+json"
USER, PASSWORD = "mechanic", "a-secret"
IMAGES = ["single", "multi", "docker", "docker-list", "many"]


def maintain(
    command: str, server: Server, *arguments: str, env: Mapping[str, str] | None = None
) -> tuple[int, list[dict[str, Any]], str]:
    """Run a command over a server's storage: exit code, lines of JSON, standard error."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "entrepot.server",
            command,
            str(server.config_file),
            "--json",
            *arguments,
        ],
        capture_output=True,
        text=True,
        env=clean_environment() | dict(env or {}),
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def sign(registry: Registry, repository: str, subject: str, size: int) -> str:
    """Push a manifest that has a subject, and list it nowhere; returns its digest."""
    config = registry.push_blob(repository, b"{}")
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "artifactType": "application/vnd.test.signature",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
        "layers": [],
        "subject": {"mediaType": OCI, "digest": subject, "size": size},
    }
    signature = json.dumps(manifest).encode()
    digest = hexadecimal(signature)
    answer = registry.push_manifest(repository, digest, signature, OCI)
    assert answer.status_code == 201, answer.text
    return digest


@pytest.mark.parametrize("version", ["2", "3"])
def test_what_distribution_wrote_is_whole_and_its_referrers_appear(
    version: str,
    distribution: StartDistribution,
    entrepot_server: StartEntrepot,
    image: Callable[[str], Image],
    env: dict[str, str],
) -> None:
    theirs = distribution(version)
    for name in IMAGES:
        COPIERS["skopeo"].push(image(name), f"{theirs.address}/images/{name}:1", env)
    with Registry(theirs.url) as registry:
        for number in range(3):
            registry.push_image("app", "moving", content(f"scrub {number}"))
        kept = registry.push_image("app", "kept", content("scrub kept"))
        doomed = registry.push_image("app", "doomed", content("scrub doomed"))
        registry.push_blob("app", b"by another digest", "sha512")
        registry.begin_upload("app")
        assert registry.delete("app", doomed) == 202
        signature = sign(registry, "app", kept, len(registry.manifest("app", kept).content))

    code, found, said = maintain("scrub", theirs)
    assert [(one["kind"], one["digest"]) for one in found] == [("referrer-missing", signature)]
    assert (code, f"{len(IMAGES) + 1} repositories checked" in said) == (1, True)

    ours = entrepot_server(root=theirs.root)
    discover = [require_tool("oras"), "discover", "--plain-http", "--format", "json"]
    reference = f"{ours.address}/app@{kept}"
    assert signature not in run(*discover, reference, env=env)
    code, changes, _ = maintain("reindex", ours)
    assert (code, [one["manifest"] for one in changes]) == (0, [signature])
    assert signature in run(*discover, reference, env=env)
    listed = run(
        require_tool("regctl"), *regctl(ours.address, "artifact", "list", reference), env=env
    )
    assert signature in listed

    assert maintain("scrub", theirs)[:2] == (0, [])
    with Registry(theirs.url) as registry:
        registry.verify("app", kept)


def files(server: Server, *parts: str) -> Path:
    return server.root.joinpath("docker/registry/v2", *parts)


def blob(server: Server, digest: str) -> Path:
    algorithm, _, name = digest.partition(":")
    return files(server, "blobs", algorithm, name[:2], name, "data")


def test_damage_is_repaired_from_another_registry_while_both_serve(
    distribution: StartDistribution,
    entrepot_server: StartEntrepot,
    tmp_path: Path,
) -> None:
    users = tmp_path / "users"
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    users.write_text(f"{USER}:{hashed}\n")
    ours = entrepot_server()
    with Registry(ours.url) as registry:
        digest = registry.push_image("team/app", "1", content("repaired"))
        other = registry.push_image("team/app", "2", content("repaired, too"))
        manifests, blobs = registry.verify("team/app", "1")
        shutil.copytree(ours.root, tmp_path / "copy")
        theirs = distribution(
            "3",
            tmp_path / "copy",
            {"auth": {"htpasswd": {"realm": "copy", "path": str(users)}}},
        )
        damaged, lost, *_ = sorted(blobs)
        blob(ours, damaged).write_bytes(b"damaged")
        blob(ours, lost).unlink()
        blob(ours, other).write_bytes(b"")
        files(ours, "repositories/team/app/_manifests/tags/1/current/link").write_bytes(b"")
        assert registry.manifest("team/app", "1").status_code == 404

        code, found, _ = maintain("scrub", ours, "--repair", "--from", theirs.url)
        secret = {"ENTREPOT_FROM_USER": USER, "ENTREPOT_FROM_PASSWORD": PASSWORD}
        repaired = maintain("scrub", ours, "--repair", "--from", theirs.url, env=secret)

        assert code == 1
        assert {one["kind"] for one in found if one["repaired"]} == {"tag-damaged"}
        assert any("ENTREPOT_FROM_USER" in str(one["failure"]) for one in found)
        assert repaired[0] == 0, repaired
        assert PASSWORD not in str(repaired)
        assert registry.verify("team/app", "1") == (manifests, blobs)
        registry.verify("team/app", other)
        assert digest in manifests
    assert maintain("scrub", ours)[:2] == (0, [])


@pytest.mark.parametrize(
    ("signalled", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)], ids=["INT", "KILL"]
)
def test_scrub_goes_on_after_it_was_ended(
    entrepot_server: StartEntrepot, signalled: signal.Signals, code: int
) -> None:
    server = entrepot_server()
    with Registry(server.url) as registry:
        for number in range(12):
            registry.push_blob("app", bytes([number]) * 200_000)
    server.stop()
    command = [sys.executable, "-m", "entrepot.server", "scrub", str(server.config_file)]
    slow = [*command, "--rate", "200KB", "--concurrency", "1"]  # a second for each blob
    cursor = server.root / "entrepot/scrub/whole.json"
    with subprocess.Popen(slow, stderr=subprocess.PIPE, text=True) as process:
        while not cursor.exists():
            assert process.poll() is None
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.05)
        process.send_signal(signalled)
        _, said = process.communicate(timeout=30)

    assert process.returncode == code
    assert ("run it again" in said) == (signalled == signal.SIGINT)
    _, _, told = maintain("scrub", server)
    assert "going on: where the scrub of" in told
    hashed = int(told.split(" blobs hashed")[0].rsplit(maxsplit=1)[-1])
    assert 6 <= hashed <= 11
    assert not cursor.exists()


@pytest.mark.parametrize("backend", ["filesystem", "s3"], indirect=True)
def test_pushes_and_deletions_meanwhile_are_no_findings(
    entrepot_server: StartEntrepot, backend: Backend
) -> None:
    server = entrepot_server(backend.configuration)
    is_over = threading.Event()
    pushed: list[str] = []

    def push() -> None:
        with Registry(server.url) as registry:
            number = 0
            while not is_over.is_set():
                name = f"app/{number % 3}"
                digest = registry.push_image(name, "moving", content(f"{number} meanwhile"))
                size = len(registry.manifest(name, digest).content)
                pushed.append(sign(registry, name, digest, size))
                if number % 2:
                    assert registry.delete(name, digest) == 202
                number += 1

    pushing = threading.Thread(target=push)
    pushing.start()
    try:
        scrubbed = maintain("scrub", server)[:2]
        indexed = maintain("reindex", server)[:2]
    finally:
        is_over.set()
        pushing.join()

    assert len(pushed) > 5
    assert scrubbed == indexed == (0, [])
    assert maintain("scrub", server)[:2] == (0, [])
