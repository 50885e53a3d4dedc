"""The live probe: what it says of good stores, of broken ones and of those that hang."""

from __future__ import annotations

import asyncio
import http.server
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from tests.core.testing import broken_listings, broken_objects
from tests.core.testing.broken_objects import BrokenDriver
from tests.core.testing.dictionary import DictionaryDriver, Stored

from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import AccessError, DeleteError, UnavailableError
from entrepot.core.probe import CHECKS, Finding, Report, bounded, probe
from entrepot.core.probe.running import CLEAN_UP, Opening
from entrepot.core.testing import Fault, FaultyDriver, Hang
from entrepot.core.wrapping import WrappingDriver
from entrepot.drivers.filesystem import FilesystemOptions, open_filesystem
from entrepot.drivers.inmemory import InMemoryOptions, open_inmemory

pytestmark = pytest.mark.anyio

Store = dict[str, Stored]


def opening(make: Callable[[], Driver]) -> Opening:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[Driver, None]:
        yield make()

    return opened


def over(store: Store, kind: Callable[[Store], Driver] = DictionaryDriver) -> Opening:
    return opening(lambda: kind(store))


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def found(report: Report) -> dict[str, Finding]:
    return {finding.check: finding for finding in report.findings}


def failed(report: Report) -> set[str]:
    return {finding.check for finding in report.findings if finding.result == "failed"}


# -- good stores ----------------------------------------------------------------------------


async def test_filesystem_keeps_every_promise_and_nothing_of_the_probe(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/precious").write_bytes(b"a registry's")

    report = await probe(partial(open_filesystem, FilesystemOptions(rootdirectory=str(tmp_path))))

    assert report.kept
    assert {finding.result for finding in report.findings} == {"ok", "none"}
    assert [finding.check for finding in report.findings] == [*CHECKS, CLEAN_UP]
    assert found(report)["16 creates at once"].figures["winners"] == 1
    assert files_in(tmp_path) == [tmp_path / "docker/precious"]


async def test_least_driver_keeps_every_promise() -> None:
    store: Store = {}

    report = await probe(over(store))

    assert report.kept
    assert found(report)["link for GET"].detail == "streamed through the registry"
    assert store == {}


async def test_store_that_is_not_shared_is_a_limitation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.core.probe.objects._LONGEST_LAG", 0.2)

    report = await probe(partial(open_inmemory, InMemoryOptions()))

    assert report.kept
    finding = found(report)["second instance"]
    assert finding.result == "limited"
    assert "one worker and one replica" in finding.detail


async def test_honest_lack_of_exclusive_create_is_a_limitation() -> None:
    class Racing(broken_objects.CreateRaces):
        exclusive_create = False

    report = await probe(over({}, Racing))

    assert report.kept
    finding = found(report)["16 creates at once"]
    assert finding.result == "limited"
    assert finding.figures["winners"] > 1
    assert "16 of 16" in finding.detail


async def test_findings_are_told_as_they_come() -> None:
    begun: list[str] = []
    told: list[Finding] = []

    report = await probe(over({}), begun=begun.append, told=told.append)

    assert begun == [*CHECKS, CLEAN_UP]
    assert told == list(report.findings)


# -- broken stores --------------------------------------------------------------------------

BROKEN: Sequence[tuple[type[BrokenDriver], str, str]] = [
    (broken_objects.StatTellsAWrongSize, "read after write", "the size of"),
    (broken_objects.StatTellsLocalTime, "clock", "time zone"),
    (broken_objects.ReadIncludesStop, "ranges", "2 bytes instead of 1"),
    (broken_objects.ReadTakesEmptyForWhole, "ranges", "bytes 5 up to 5 gave"),
    (broken_objects.ReadOfMissingIsEmpty, "missing object", "gave no error"),
    (broken_objects.ReadGivesAllAtOnce, "large object", "8 MiB at most"),
    (broken_objects.WriteKeepsALongerEnd, "overwrite", "bytes instead of"),
    (broken_objects.CreateRaces, "16 creates at once", "16 of 16 creates at once succeeded"),
    (broken_objects.CreateReplaces, "create on existing", "replaced an existing object"),
    (broken_objects.DeleteRefusesMissing, "delete", "NotFoundError"),
    (broken_listings.ScanInOrderOfWriting, "listing order", "order of the keys' bytes"),
    (broken_listings.ScanInOrderOfFolders, "listing order", "order of the keys' bytes"),
    (broken_listings.ScanIncludesAfter, "listing order", "has, wrongly, a-b"),
    (broken_listings.ScanTakesPrefixForAFolder, "listing order", "a prefix lacks"),
    (broken_listings.CopyInTheBackground, "copy and move", "NotFoundError"),
    (broken_listings.MoveLeavesTheSource, "copy and move", "also where it was"),
    (broken_listings.UploadIgnoresOffset, "append at a wrong offset", "was taken"),
    (broken_listings.UploadIsKeptInTheInstance, "upload in parts", "for the next instance"),
    (broken_listings.UploadLeavesItsParts, "upload in parts", "left"),
    (broken_listings.UploadOrdersPartsByText, "upload of small appends", "other bytes"),
]


@pytest.mark.parametrize(
    ("kind", "check", "words"), BROKEN, ids=[kind.__name__ for kind, _, _ in BROKEN]
)
async def test_broken_promise_is_found(
    kind: type[BrokenDriver], check: str, words: str, tmp_path: Path
) -> None:
    report = await probe(kind.opening(tmp_path))

    assert not report.kept
    assert check in failed(report)
    assert words in found(report)[check].detail


class Lagging(DictionaryDriver):
    """Listings are those of a while ago."""

    seconds = 0.3

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.shown: Store = {}
        self.until = 0.0

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry, None]:  # type: ignore[override]
        if "/lag/" not in prefix:
            self.shown = dict(self.store)
        elif time.monotonic() > self.until:
            self.shown, self.until = dict(self.store), time.monotonic() + self.seconds
        async for item in DictionaryDriver(self.shown).scan(
            prefix, after=after, delimiter=delimiter
        ):
            yield item  # type: ignore[misc]


async def test_listing_lag_is_measured_and_a_limitation() -> None:
    report = await probe(over({}, Lagging))

    finding = found(report)["listing lag"]
    assert finding.result == "limited"
    assert 0 < finding.figures["seconds"] < 10
    assert report.kept


async def test_listing_that_never_shows_the_truth_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("entrepot.core.probe.listings._LONGEST_LAG", 0.2)

    class Frozen(Lagging):
        seconds = 3600.0

    report = await probe(over({}, Frozen))

    assert failed(report) == {"listing lag"}


async def test_error_of_the_backend_is_told_and_the_rest_is_tried() -> None:
    refused = AccessError("a", "no permission to delete")
    store: Store = {}

    def make() -> Driver:
        return FaultyDriver(DictionaryDriver(store), Fault("copy", refused, times=None))

    report = await probe(opening(make))

    assert failed(report) == {"copy and move"}
    assert "no permission to delete" in found(report)["copy and move"].detail
    assert store == {}


async def test_what_is_no_storage_error_is_not_shown_for_it_may_hold_secrets() -> None:
    store: Store = {}

    def make() -> Driver:
        fault = Fault("copy", ValueError("signature=SECRET"), times=None)
        return FaultyDriver(DictionaryDriver(store), fault)

    report = await probe(opening(make))

    assert found(report)["copy and move"].detail.endswith("ValueError, which is no StorageError")


async def test_nothing_more_is_tried_where_nothing_can_be_written() -> None:
    full = UnavailableError("a", "connection refused")

    report = await probe(
        opening(lambda: FaultyDriver(DictionaryDriver({}), Fault("write", full, times=None)))
    )

    assert [finding.check for finding in report.findings] == ["read after write", CLEAN_UP]
    assert failed(report) == {"read after write"}


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
