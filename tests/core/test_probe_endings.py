"""How a probe ends: nothing left, nothing waited for for ever, links followed."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal

import pytest
from tests.core.probing import Store, failed, found, opening, over
from tests.core.testing.dictionary import DictionaryDriver, Stored

from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import AccessError, DeleteError, UnavailableError
from entrepot.core.probe import Finding, bounded, probe
from entrepot.core.probe.running import CLEAN_UP
from entrepot.core.testing import Fault, FaultyDriver, Hang
from entrepot.core.wrapping import WrappingDriver

pytestmark = pytest.mark.anyio

# -- leaving nothing --------------------------------------------------------------------------


async def test_what_cannot_be_removed_is_named() -> None:
    store: Store = {}

    class Sticky(DictionaryDriver):
        async def delete(self, keys: Sequence[str]) -> None:
            kept = [key for key in keys if key.endswith("/prize")]
            await super().delete([key for key in keys if key not in kept])
            if kept:
                raise DeleteError({key: AccessError(key, "object is locked") for key in kept})

    report = await probe(over(store, Sticky))

    (left,) = store
    assert failed(report) == {CLEAN_UP}
    detail = found(report)[CLEAN_UP].detail
    assert "object is locked" in detail
    assert left in detail


async def test_cancelled_probe_removes_what_it_wrote() -> None:
    store: Store = {"docker/precious": Stored(b"x", 0.0)}
    hang = Hang()

    def make() -> Driver:
        return FaultyDriver(DictionaryDriver(store), Fault("copy", hang=hang))

    told: list[Finding] = []
    running = asyncio.ensure_future(probe(opening(make), told=told.append))
    await hang.reached.wait()
    assert len(store) > 5

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert list(store) == ["docker/precious"]
    assert told[-1].check == CLEAN_UP


# -- hanging ----------------------------------------------------------------------------------


async def test_check_that_takes_too_long_is_cancelled_and_told() -> None:
    store: Store = {}

    def make() -> Driver:
        return FaultyDriver(DictionaryDriver(store), Fault("copy", hang=Hang(), times=None))

    report = await probe(opening(make), seconds=1.0)

    assert failed(report) == {"copy and move"}
    assert found(report)["copy and move"].detail == "no end within 1 s"
    assert not report.hung
    assert store == {}


async def test_second_check_that_takes_too_long_ends_the_run() -> None:
    class Slow(WrappingDriver):
        async def stat(self, key: str) -> Entry:
            if key.endswith(("/here", "/prize")):
                await asyncio.Event().wait()
            return await super().stat(key)

        async def write(
            self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False
        ) -> Entry:
            if key.endswith("/prize"):
                await asyncio.Event().wait()
            return await super().write(key, chunks, create=create)

    store: Store = {}

    report = await probe(opening(lambda: Slow(DictionaryDriver(store))), seconds=1.0)

    assert failed(report) == {"missing object", "16 creates at once"}
    assert report.findings[-2].check == "16 creates at once"


async def test_check_that_cannot_be_cancelled_is_told_and_nothing_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("entrepot.core.probe.bounds.GRACE", 0.1)
    release = asyncio.Event()

    class Deaf(DictionaryDriver):
        async def copy(self, source: str, target: str) -> Entry:
            while not release.is_set():
                with suppress(asyncio.CancelledError):
                    await release.wait()
            raise UnavailableError(source, "woken")

    report = await probe(over({}, Deaf), seconds=1.0)
    release.set()

    assert report.hung
    assert not report.kept
    assert "cannot be cancelled" in found(report)["copy and move"].detail


async def test_bounded_gives_the_result_or_its_error() -> None:
    async def raising() -> None:
        raise ValueError("mine")

    assert await bounded(asyncio.sleep(0, "result"), 5) == "result"
    with pytest.raises(ValueError, match="mine"):
        await bounded(raising(), 5)


async def test_opening_that_fails_is_raised_as_it_is() -> None:
    @asynccontextmanager
    async def refusing() -> AsyncGenerator[Driver, None]:
        raise AccessError("", "no such bucket")
        yield

    with pytest.raises(AccessError, match="no such bucket"):
        await probe(refusing)


async def test_opening_that_takes_too_long_is_a_timeout() -> None:
    @asynccontextmanager
    async def waiting() -> AsyncGenerator[Driver, None]:
        await asyncio.Event().wait()
        yield DictionaryDriver({})

    with pytest.raises(TimeoutError):
        await probe(waiting, seconds=0.1)


async def test_closing_that_fails_is_a_finding() -> None:
    store: Store = {}

    @asynccontextmanager
    async def badly() -> AsyncGenerator[Driver, None]:
        yield DictionaryDriver(store)
        raise RuntimeError("a client was not closed")

    report = await probe(badly)

    assert failed(report) == {"closing"}
    assert "a client was not closed" in found(report)["closing"].detail


# -- links ------------------------------------------------------------------------------------


class Linking(WrappingDriver):
    def __init__(self, store: Store, url: str) -> None:
        super().__init__(DictionaryDriver(store))
        self.url = url

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        return f"{self.url}/{key}?signature=SECRET"


@pytest.fixture
def linked() -> Generator[tuple[Store, str, dict[str, bool]], None, None]:
    """A store that an HTTP server shows, its URL, and how that server behaves."""
    store: Store = {}
    behaviour = {"ranges": True}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = store[self.path.partition("?")[0].lstrip("/")].content
            wanted = self.headers["Range"] if behaviour["ranges"] else None
            if wanted:
                first, last = map(int, wanted.removeprefix("bytes=").split("-"))
                data = data[first : last + 1]
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name there
            """Nobody reads it."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield store, f"http://127.0.0.1:{server.server_port}", behaviour
    server.shutdown()
    thread.join()
    server.server_close()


async def test_links_are_followed_with_and_without_range(
    linked: tuple[Store, str, dict[str, bool]],
) -> None:
    store, url, _ = linked

    report = await probe(opening(lambda: Linking(store, url)))

    assert report.kept
    assert found(report)["link for GET"].detail == "whole, and with Range"
    assert found(report)["link for HEAD"].result == "ok"


async def test_link_that_ignores_range_is_broken(
    linked: tuple[Store, str, dict[str, bool]],
) -> None:
    store, url, behaviour = linked
    behaviour["ranges"] = False

    report = await probe(opening(lambda: Linking(store, url)))

    assert failed(report) == {"link for GET"}
    assert "answered 200, not 206" in found(report)["link for GET"].detail


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://nowhere", "nonsense"])
async def test_link_that_cannot_be_followed_is_told_without_its_signature(url: str) -> None:
    store: Store = {}

    report = await probe(opening(lambda: Linking(store, url)))

    assert failed(report) == {"link for GET", "link for HEAD"}
    assert "SECRET" not in str(report.findings)
