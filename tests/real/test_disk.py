"""A disk that is full, read-only or forbidden: told to the client, kept from doing harm."""

import hashlib
import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from tests.real.servers import Server, StartEntrepot

MIB = 1024 * 1024


def digest_of(content: bytes) -> str:
    """The sha256 digest of some content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path, None, None]:
    """A file system of 16 MiB of its own."""
    if os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("CI has to be root to mount a small file system")
        pytest.skip("only root may mount a small file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


@pytest.fixture
def server(disk: Path, entrepot_server: StartEntrepot) -> Server:
    """Our server over the small disk."""
    return entrepot_server(root=disk / "root")


def push(server: Server, content: bytes, style: str = "post") -> httpx2.Response:
    """Push a blob at once, or by PATCH; gives the answer that ends it."""
    start = f"{server.url}/v2/a/blobs/uploads/"
    if style == "post":
        return httpx2.post(f"{start}?digest={digest_of(content)}", content=content)
    location = httpx2.post(start).headers["location"]
    return httpx2.patch(location, content=content)


@pytest.mark.parametrize("style", ["post", "patch"])
def test_full_disk_is_told_and_what_is_stored_stays(server: Server, style: str) -> None:
    kept = os.urandom(4 * MIB)
    assert push(server, kept).status_code == 201

    refused = push(server, os.urandom(20 * MIB), style)

    assert refused.status_code == 507
    assert refused.json()["errors"][0]["message"] == "the registry's storage is full"
    assert httpx2.get(f"{server.url}/v2/a/blobs/{digest_of(kept)}").content == kept
    assert "No space left on device" in server.log.read_text()
    assert str(server.root) in server.log.read_text()


def test_space_of_a_refused_push_is_free_again(server: Server) -> None:
    assert push(server, os.urandom(20 * MIB)).status_code == 507

    assert push(server, os.urandom(10 * MIB)).status_code == 201


def test_upload_that_met_a_full_disk_can_be_cancelled(server: Server) -> None:
    location = httpx2.post(f"{server.url}/v2/a/blobs/uploads/").headers["location"]
    assert httpx2.patch(location, content=os.urandom(20 * MIB)).status_code == 507

    assert httpx2.delete(location).status_code == 204

    assert push(server, os.urandom(10 * MIB)).status_code == 201


def test_read_only_disk_refuses_pushes_and_serves_on(server: Server, disk: Path) -> None:
    kept = os.urandom(MIB)
    assert push(server, kept).status_code == 201
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

    refused = push(server, os.urandom(MIB))

    assert refused.status_code == 503
    assert "refuses access" in refused.json()["errors"][0]["message"]
    assert "Read-only file system" in server.log.read_text()
    assert httpx2.get(f"{server.url}/v2/a/blobs/{digest_of(kept)}").content == kept


def test_root_that_is_gone_takes_no_push(server: Server) -> None:
    """It may be a volume that is not mounted: what is pushed now would be lost when it is."""
    content = os.urandom(MIB)
    push(server, content)
    subprocess.run(["rm", "-rf", server.root], check=True)

    assert httpx2.get(f"{server.url}/v2/a/blobs/{digest_of(content)}").status_code == 503
    assert push(server, content).status_code == 503
    assert "the root folder is gone" in server.log.read_text()
