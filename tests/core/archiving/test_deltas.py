"""A further export writes what is new, and a delta leaves out what was exported earlier."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.core.archiving.archived import (
    APP,
    LAYERS,
    OTHER,
    fill,
    index_in,
    into,
    out,
    push,
)
from tests.core.stores import image, index, put, verify
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.archiving import (
    open_source,
)
from entrepot.core.archiving.layouts import path_of
from entrepot.core.archiving.names import REF_NAME
from entrepot.core.content import Platforms
from entrepot.core.names import Digest
from entrepot.core.registry import Registry, Rules, open_registry

pytestmark = pytest.mark.anyio


async def test_blobs_of_an_earlier_export_are_left_out(
    registry: Registry, there: Registry, tmp_path: Path, path: Path
) -> None:
    await push(registry, APP, image(LAYERS[:1]), "1", blobs=LAYERS[:1])
    await out(registry, tmp_path / "first")
    await push(registry, APP, image(LAYERS), "2")

    done = await out(registry, path, since=tmp_path / "first")

    assert done.left_out == 2
    with open_source(path) as delta:
        assert await delta.size(Digest.of(LAYERS[0])) is None
        assert await delta.size(Digest.of(LAYERS[1])) == len(LAYERS[1])
        assert len(delta.entries) == 2
    refused = await into(there, path)
    assert len(refused.failures) == 2
    assert "a delta needs the export it builds on" in refused.failures[0]
    assert await verify(there, APP) == {}
    await into(there, tmp_path / "first")
    assert (await into(there, path)).failures == []
    assert set(await verify(there, APP)) == {"1", "2"}


async def test_an_index_alone_tells_what_was_exported(registry: Registry, tmp_path: Path) -> None:
    await fill(registry)
    await out(registry, tmp_path / "first")
    earlier = tmp_path / "kept.json"
    shutil.copy(tmp_path / "first" / "index.json", earlier)

    done = await out(registry, tmp_path / "second", since=earlier)

    assert done.left_out == 3
    assert done.failures == []


@pytest.mark.parametrize("earlier", ["first", "first/index.json"])
async def test_a_child_that_was_pushed_later_is_in_the_delta(tmp_path: Path, earlier: str) -> None:
    child = image(LAYERS)
    async with open_registry(DictionaryDriver({}), Rules(platforms=Platforms("none"))) as registry:
        await push(registry, APP, index([child]), "1", blobs=[])
        await out(registry, tmp_path / "first")
        await push(registry, APP, child)

        done = await out(registry, tmp_path / "second", since=tmp_path / earlier)

    assert done.left_out == 0
    assert done.written == 2 + 1 + len(LAYERS)


async def test_of_what_is_damaged_on_the_store_nothing_is_left_out(
    registry: Registry, tmp_path: Path
) -> None:
    await push(registry, APP, image(LAYERS[:1]), "1", blobs=LAYERS[:1])
    await out(registry, tmp_path / "first")
    await put(registry.driver, layout.blob(Digest.of(image(LAYERS[:1]))), image(LAYERS))
    await push(registry, APP, image(LAYERS), "2")

    done = await out(
        registry, tmp_path / "it", "team/app:2", since=tmp_path / "first" / "index.json"
    )

    assert (done.left_out, done.failures) == (0, [])


async def test_a_delta_of_a_delta(registry: Registry, tmp_path: Path) -> None:
    await push(registry, APP, image(LAYERS[:1]), "1", blobs=LAYERS[:1])
    await out(registry, tmp_path / "first")
    await push(registry, APP, image(LAYERS), "2")
    await out(registry, tmp_path / "second.tar", since=tmp_path / "first")

    done = await out(registry, tmp_path / "third", since=tmp_path / "second.tar")

    assert done.left_out == 3


async def test_a_second_run_writes_nothing(registry: Registry, tmp_path: Path) -> None:
    await fill(registry)
    first = await out(registry, tmp_path / "it")

    second = await out(registry, tmp_path / "it")

    assert first.written == 8
    assert (second.written, second.names) == (0, first.names)


async def test_a_torn_file_is_written_again(registry: Registry, tmp_path: Path) -> None:
    await fill(registry)
    await out(registry, tmp_path / "it")
    torn = tmp_path / "it" / path_of(Digest.of(LAYERS[1]))
    torn.write_bytes(b"torn")
    (tmp_path / "it" / ".unfinished").mkdir()
    (tmp_path / "it" / ".unfinished" / "left").write_bytes(b"by a run that was killed")

    done = await out(registry, tmp_path / "it")

    assert done.written == 1
    assert torn.read_bytes() == LAYERS[1]
    assert not (tmp_path / "it" / ".unfinished").exists()


async def test_a_second_run_keeps_what_the_first_named(registry: Registry, tmp_path: Path) -> None:
    await fill(registry)
    moved = image(LAYERS[1:])

    await out(registry, tmp_path / "it", "team/app")
    await out(registry, tmp_path / "it", "other")
    await push(registry, OTHER, moved, "1")
    await out(registry, tmp_path / "it", "other")

    found = {
        (entry.annotations or {})[REF_NAME]: entry.digest
        for entry in index_in(tmp_path / "it")
        if REF_NAME in (entry.annotations or {})
    }
    assert set(found) == {"team/app:1", "team/app:latest", "other:1"}
    assert found["other:1"] == str(Digest.of(moved))
