"""The live probe: what it says of good stores, of broken ones and of those that hang."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path

import pytest
from tests.core.probing import Store, failed, files_in, found, opening, over
from tests.core.testing import broken_listings, broken_objects
from tests.core.testing.broken_objects import BrokenDriver
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core.driver import Driver, Entry, Prefix
from entrepot.core.errors import AccessError, UnavailableError
from entrepot.core.probe import CHECKS, Finding, probe
from entrepot.core.probe.running import CLEAN_UP
from entrepot.core.testing import Fault, FaultyDriver
from entrepot.drivers.filesystem import FilesystemOptions, open_filesystem
from entrepot.drivers.inmemory import InMemoryOptions, open_inmemory

pytestmark = pytest.mark.anyio

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
    ) -> AsyncGenerator[Entry | Prefix, None]:
        if "/lag/" not in prefix:
            self.shown = dict(self.store)
        elif time.monotonic() > self.until:
            self.shown, self.until = dict(self.store), time.monotonic() + self.seconds
        async for item in DictionaryDriver(self.shown).scan(
            prefix, after=after, delimiter=delimiter
        ):
            yield item


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
