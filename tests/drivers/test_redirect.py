"""The redirect middleware: which base URLs it takes, and what it makes of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar, Literal

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from entrepot.core import ConfigurationError, Driver
from entrepot.core.configuration import load
from entrepot.core.testing import DriverSuite, Opening
from entrepot.drivers.filesystem import FilesystemOptions, open_filesystem
from entrepot.drivers.inmemory import InMemoryDriver
from entrepot.drivers.redirect import (
    RedirectDriver,
    RedirectOptions,
    RewriteOptions,
    open_redirect,
    open_rewrite,
)
from entrepot.server.app import create_app

KEY = "docker/registry/v2/blobs/sha256/ab/abcd/data"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://cdn.test", f"https://cdn.test/{KEY}"),
        ("https://cdn.test/", f"https://cdn.test/{KEY}"),
        ("https://cdn.test/a/b", f"https://cdn.test/a/b/{KEY}"),
        ("https://cdn.test/a/b//", f"https://cdn.test/a/b/{KEY}"),
        ("http://[::1]:8080/a%20b", f"http://[::1]:8080/a%20b/{KEY}"),
        ("HTTPS://CDN.test:443", f"HTTPS://CDN.test:443/{KEY}"),
    ],
)
async def test_path_is_appended_to_the_base(base: str, url: str) -> None:
    async with open_redirect(RedirectOptions(baseurl=base), InMemoryDriver()) as driver:
        assert await driver.link(KEY, "GET", 1) == url


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("", "write it with scheme and host"),
        ("cdn.test/a", "write it with scheme and host"),
        ("https://", "write it with scheme and host"),
        ("https:///a", "write it with scheme and host"),
        ("ftp://cdn.test", "write it with scheme and host"),
        ("https://cdn.test:99999", "no URL"),
        ("https://[::1", "no URL"),
        ("https://me:s3cr3t@cdn.test", "remove user and password"),
        ("https://cdn.test/?", "remove what begins with"),
        ("https://cdn.test/a?b=c", "remove what begins with"),
        ("https://cdn.test/#a", "remove what begins with"),
        ("https://cdn.test/a b", "write others as %XX"),
        ("https://cdn.test/ä", "write others as %XX"),
        ("https://cdn.test/\x7f", "write others as %XX"),
    ],
)
def test_base_that_leads_nowhere_is_refused(base: str, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RedirectOptions(baseurl=base)

    assert told in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


class Signing(InMemoryDriver):
    """Gives links as an object store does."""

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        return f"http://store:9000/bucket/{key}?a=b%2Fc&d=%20"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, f"http://store:9000/bucket/{KEY}"),
        ({"scheme": "https"}, f"https://store:9000/bucket/{KEY}"),
        ({"host": "cdn.test:8443"}, f"http://cdn.test:8443/bucket/{KEY}"),
        ({"host": "[::1]:80"}, f"http://[::1]:80/bucket/{KEY}"),
        ({"trimpathprefix": "/bucket"}, f"http://store:9000/{KEY}"),
        ({"trimpathprefix": "/bucket/"}, f"http://store:9000/{KEY}"),
        ({"trimpathprefix": "/other"}, f"http://store:9000/bucket/{KEY}"),
        ({"scheme": "https", "host": "cdn.test", "trimpathprefix": "/bucket"},
         f"https://cdn.test/{KEY}"),
    ],
)  # fmt: skip
async def test_link_is_rewritten(options: dict[str, str], url: str) -> None:
    async with open_rewrite(RewriteOptions.model_validate(options), Signing()) as driver:
        assert await driver.link(KEY, "GET", 1) == f"{url}?a=b%2Fc&d=%20"


@pytest.mark.anyio
async def test_no_link_is_no_link_when_rewritten() -> None:
    async with open_rewrite(RewriteOptions(host="cdn.test"), InMemoryDriver()) as driver:
        assert await driver.link(KEY, "GET", 1) is None


@pytest.mark.parametrize(
    "options",
    [{"scheme": "ftp"}, {"host": "https://cdn.test"}, {"host": "cdn.test/a"}, {"host": "a b"},
     {"host": "me@cdn.test"}, {"host": "cdn.test?a"}, {"hosts": "a"}],
)  # fmt: skip
def test_rewriting_that_gives_no_url_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        RewriteOptions.model_validate(options)


def app_of(*, base: str) -> TestClient:
    variables = {
        "REGISTRY_STORAGE": "inmemory",
        "REGISTRY_MIDDLEWARE_STORAGE_0_NAME": "redirect",
        "REGISTRY_MIDDLEWARE_STORAGE_0_OPTIONS_BASEURL": base,
    }
    return TestClient(create_app(load(None, variables).configuration), follow_redirects=False)


def test_configured_registry_sends_clients_there() -> None:
    with app_of(base="https://cdn.test/files") as client:
        digest = "sha256:" + "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        client.post("/v2/a/blobs/uploads/", params={"digest": digest}).raise_for_status()
        location = client.get(f"/v2/a/blobs/{digest}").headers["location"]

    path = f"docker/registry/v2/blobs/sha256/e3/{digest.removeprefix('sha256:')}/data"
    assert location == f"https://cdn.test/files/{path}"


def test_mistake_is_told_with_its_place() -> None:
    with pytest.raises(ConfigurationError) as caught:
        app_of(base="cdn.test")

    assert str(caught.value) == (
        "middleware.storage.0.options.baseurl: write it with scheme and host, like "
        "https://cdn.example.com/path "
        "[environment REGISTRY_MIDDLEWARE_STORAGE_0_OPTIONS_BASEURL]"
    )


class Files(SimpleHTTPRequestHandler):
    """A file server that knows a range of bytes, which Python's own does not."""

    def do_GET(self) -> None:
        try:
            content = Path(self.translate_path(self.path)).read_bytes()
        except FileNotFoundError:
            self.send_error(404)
            return
        if wanted := self.headers["Range"]:
            first, last = map(int, wanted.removeprefix("bytes=").split("-"))
            content = content[first : last + 1]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture
def base(tmp_path: Path) -> Generator[str, None, None]:
    """A web server over the folder in which the driver keeps its objects."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(tmp_path)))
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@asynccontextmanager
async def open_redirected(root: str, base: str) -> AsyncGenerator[Driver, None]:
    async with open_filesystem(FilesystemOptions(rootdirectory=root)) as driver:
        yield RedirectDriver(driver, base)


class TestRedirectedFilesystem(DriverSuite):
    """That a wrapped filesystem is one still, and that links lead to its objects."""

    many = 1_001
    lowered: ClassVar[Mapping[str, str]] = {"many": "what it wraps is asked for more elsewhere"}

    @pytest.fixture
    def open_driver(self, tmp_path: Path, base: str) -> Opening:
        return partial(open_redirected, str(tmp_path), base)
