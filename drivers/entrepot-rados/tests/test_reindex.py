"""The index made anew, and what belongs to nothing removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rados_fake import Fault, RadosFake

from entrepot.core import UnavailableError
from entrepot.core.testing.material import content, get, keys, pieces, put
from entrepot_rados import command
from entrepot_rados.command import reindexed
from entrepot_rados.head import INLINE
from entrepot_rados.opening import connected, opened
from entrepot_rados.reindex import GRACE, reindex

pytestmark = pytest.mark.anyio

LARGE = content(INLINE + 200_000)
NAMES = ["a/1", "a/2", "b"]


async def filled(fake: RadosFake) -> None:
    async with opened(fake.options(), fake.binding) as driver:
        for name in NAMES:
            await put(driver, name, LARGE if name == "b" else b"small")
        await driver.upload("u").append(pieces(LARGE), 0)


async def test_index_and_records_that_are_gone_are_made_anew(fake: RadosFake) -> None:
    await filled(fake)
    before = fake.names(), fake.records("index").keys(), fake.records("generations").keys()
    for name in fake.names("index:", "generations:"):
        del fake.objects[name]

    said = reindexed(fake.options(), fake.binding, None)

    assert said.startswith("objects: 3; entries added to the index: 3, removed: 0;")
    async with opened(fake.options(), fake.binding) as driver:
        assert await keys(driver) == NAMES
        await driver.upload("u").append(pieces(b"more"), len(LARGE))
        await driver.upload("u").commit("c", len(LARGE) + 4)
        assert await get(driver, "c") == LARGE + b"more"
    assert fake.records("generations").keys() == before[2]


async def test_of_a_store_in_order_nothing_is_changed(fake: RadosFake) -> None:
    await filled(fake)
    before = {name: (each.data, dict(each.omap)) for name, each in fake.objects.items()}

    with connected(fake.options(), fake.binding) as store:
        report = reindex(store, grace=-1)

    assert str(report) == (
        "objects: 3; entries added to the index: 0, removed: 0; abandoned writes removed: 0 "
        "(0 chunks)"
    )
    assert {n: (each.data, dict(each.omap)) for n, each in fake.objects.items()} == before


async def test_unfinished_writes_are_kept_for_a_day(fake: RadosFake) -> None:
    await filled(fake)
    async with opened(fake.options(), fake.binding) as driver:
        fake.faults = [Fault("write", "key:c")]
        with pytest.raises(UnavailableError):
            await put(driver, "c", LARGE)
    unfinished = fake.names("chunk:")

    with connected(fake.options(), fake.binding) as store:
        assert (reindex(store).removed, reindex(store).abandoned) == (0, 0)
        assert fake.names("chunk:") == unfinished
        report = reindex(store, grace=-GRACE)

    assert (report.removed, report.abandoned, report.chunks) == (1, 1, len(unfinished) // 3)
    assert len(fake.names("chunk:")) == len(unfinished) * 2 // 3


@pytest.mark.parametrize("shards", [1, 7])
async def test_index_is_spread_anew(fake: RadosFake, shards: int) -> None:
    await filled(fake)
    async with opened(fake.options(), fake.binding) as late:
        reindexed(fake.options(), fake.binding, shards)

        with pytest.raises(UnavailableError, match="spread anew"):
            await put(late, "d")  # one that was not stopped

    assert len(fake.names("index:")) == shards
    async with opened(fake.options(), fake.binding) as driver:
        assert await keys(driver) == NAMES
        await put(driver, "d")
        assert await keys(driver) == [*NAMES, "d"]


async def test_spreading_that_was_interrupted_is_done_again(fake: RadosFake) -> None:
    await filled(fake)
    fake.faults = [Fault("write", "layout")]
    with pytest.raises(UnavailableError):
        reindexed(fake.options(), fake.binding, 9)
    async with opened(fake.options(), fake.binding) as driver:
        await driver.delete(["a/1"])
        assert await keys(driver) == NAMES[1:]

    reindexed(fake.options(), fake.binding, 5)

    async with opened(fake.options(), fake.binding) as driver:
        assert await keys(driver) == NAMES[1:]


def test_command_reads_a_configuration(
    fake: RadosFake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "config.yml"
    config.write_text(json.dumps({"version": "0.1", "storage": {"rados": {"poolname": "images"}}}))
    monkeypatch.setattr(command, "imported", lambda: fake.binding)

    assert command.main(["reindex", str(config)]) == 0
    assert capsys.readouterr().out.startswith("objects: 0; ")
    del fake.pools["images"]
    assert command.main(["reindex", str(config)]) == 1
    assert "error: storage: there is no pool 'images'" in capsys.readouterr().err


def test_command_is_for_this_driver_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yml"
    config.write_text(json.dumps({"version": "0.1", "storage": {"inmemory": {}}}))

    assert command.main(["reindex", str(config)]) == 1
    assert "the storage is 'inmemory', not 'rados'" in capsys.readouterr().err
