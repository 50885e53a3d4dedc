"""Connections that break or begin wrongly: what was pulled or pushed goes on from there."""

import contextlib
import hashlib
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager

import httpx2
import pytest
from tests.real import engines
from tests.real.clients import COPIERS
from tests.real.engines import Engine
from tests.real.programs import require_tool, run
from tests.real.proxy import cutting_proxy
from tests.real.registry import Registry, hexadecimal
from tests.real.site import Site

MIB = 1024 * 1024
LIMIT = 20 * MIB
ENGINES: dict[str, tuple[Callable[[], AbstractContextManager[Engine]], tuple[str, ...]]] = {
    "docker": (engines.docker, ("pull", "-q")),
    "containerd": (engines.containerd, ("images", "pull", "--plain-http")),
}


@pytest.fixture(params=ENGINES)
def pull(request: pytest.FixtureRequest) -> Generator[Callable[[str], str], None, None]:
    """Pulling by an engine that has nothing yet."""
    start, verb = ENGINES[request.param]
    with start() as engine:
        yield lambda reference: engine(*verb, reference)


def test_engine_resumes_an_interrupted_pull(pull: Callable[[str], str], site: Site) -> None:
    COPIERS["skopeo"].push(site.image("big"), site.reference(), site.env)

    with cutting_proxy(site.server.address, LIMIT) as proxy:
        pull(f"{proxy.address}/{site.repository}:1")

    assert proxy.cuts == 1
    assert [re.fullmatch(r"bytes=\d{8}-", each) is not None for each in proxy.ranges] == [True]


def test_curl_resumes_an_interrupted_download(site: Site) -> None:
    image, target = site.image("big"), site.folder / "layer"
    COPIERS["skopeo"].push(image, site.reference(), site.env)
    layer = max(
        image.blobs,
        key=lambda each: (image.folder / "blobs" / each.replace(":", "/")).stat().st_size,
    )

    with cutting_proxy(site.server.address, LIMIT) as proxy:
        url = f"http://{proxy.address}/v2/{site.repository}/blobs/{layer}"
        command = (require_tool("curl"), "-sSfL", "-C", "-", "-o", str(target), url)
        cut = subprocess.run(command, capture_output=True, check=False)
        size = target.stat().st_size
        run(*command)

    assert cut.returncode == 18, "curl calls a partial file 18"
    assert proxy.ranges == [f"bytes={size}-"]
    assert hexadecimal(target.read_bytes()) == layer


def begin_and_break(registry: Registry, location: str, content: bytes, sent: int) -> None:
    """Announce a PATCH of the content, send a part of it and hang up."""
    url = registry.http.base_url.join(location)
    head = (
        f"PATCH {url.raw_path.decode()} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port or 80)) as connection:
        connection.sendall(head.encode() + content[:sent])


def settled(registry: Registry, location: str) -> tuple[str, int]:
    """Where a broken upload goes on: its address, and how many bytes the server has."""
    deadline, answers = time.monotonic() + 20, list[str]()
    while time.monotonic() < deadline:
        answer = registry.http.get(location)
        answers.append(f"{answer.status_code} {answer.headers.get('Range')}")
        if answer.status_code == 204 and answers[-1:] == answers[-2:-1]:
            return answer.headers["Location"], int(answer.headers["Range"].split("-")[1]) + 1
        time.sleep(0.2)
    pytest.fail(f"the upload does not settle: {answers}")


def test_upload_goes_on_after_the_line_broke(site: Site) -> None:
    content = hashlib.sha256(site.repository.encode()).digest() * (MIB // 4)
    digest, location = hexadecimal(content), site.registry.begin_upload(site.repository)

    begin_and_break(site.registry, location, content, sent=5 * MIB)
    location, size = settled(site.registry, location)
    # "0-0" means nothing or one byte: the offset is what the server says, so one byte it is not.
    size = 0 if size == 1 else size
    answer = site.registry.http.put(
        httpx2.URL(location).copy_merge_params({"digest": digest}), content=content[size:]
    )

    assert size <= 5 * MIB
    assert answer.status_code == 201, answer.text
    assert hexadecimal(site.registry.blob(site.repository, digest).content) == digest


def test_digest_of_a_broken_upload_is_refused_without_the_rest(site: Site) -> None:
    content = hashlib.sha512(site.repository.encode()).digest() * (MIB // 8)
    digest, location = hexadecimal(content), site.registry.begin_upload(site.repository)

    begin_and_break(site.registry, location, content, sent=MIB)
    location, _ = settled(site.registry, location)
    answer = site.registry.http.put(httpx2.URL(location).copy_merge_params({"digest": digest}))

    assert answer.status_code == 400
    assert site.registry.blob(site.repository, digest).status_code == 404


def test_tls_hello_on_the_plain_port_is_turned_down_at_once(site: Site) -> None:
    host, _, port = site.server.address.partition(":")
    context = ssl.create_default_context()
    began = time.monotonic()

    with (
        socket.create_connection((host, int(port)), timeout=20) as connection,
        contextlib.suppress(ssl.SSLError, ConnectionError),
    ):
        context.wrap_socket(connection, server_hostname="localhost").close()

    assert time.monotonic() - began < 10, "waited for the rest of a request"
