"""Layouts of anybody come in whole, or are told with their reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.archiving.archived import (
    APP,
    LAYERS,
    contents,
    entry,
    fill,
    into,
    layout_of,
    out,
    push,
)
from tests.core.stores import CONFIG, described, image, index, keys, put, verify
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.archiving import (
    ArchiveError,
    import_from,
    open_source,
)
from entrepot.core.archiving.layouts import path_of
from entrepot.core.driver import Entry
from entrepot.core.errors import UnavailableError
from entrepot.core.manifest import OCI_INDEX, OCI_MANIFEST
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.registry import Registry, Rules, open_registry

pytestmark = pytest.mark.anyio


class Counting(DictionaryDriver):
    """Counts what is read and written of blobs."""

    def __init__(self) -> None:
        super().__init__({})
        self.written: list[str] = []

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        self.written.append(key)
        return await super().write(key, chunks, create=create)


async def test_layout_of_one_who_names_tags_alone(there: Registry, tmp_path: Path) -> None:
    manifest = image(LAYERS)
    signature = image(subject=described(manifest, OCI_MANIFEST))
    entries = [entry(manifest, "1"), entry(manifest, "2"), entry(signature)]
    path = layout_of(tmp_path / "it", entries, manifest, signature, CONFIG, *LAYERS)

    nowhere = await into(there, path)
    done = await into(there, path, APP)

    assert nowhere.names == 0
    assert all(line.endswith("has no name; say in which --repository") for line in nowhere.failures)
    assert (done.names, done.failures) == (3, [])
    assert set(await verify(there, APP)) == {"1", "2"}
    page = await there.repository(APP).referrers.page(Digest.of(manifest))
    assert [one["digest"] for one in page.descriptors] == [str(Digest.of(signature))]


async def test_what_has_no_name_goes_to_its_subject(there: Registry, tmp_path: Path) -> None:
    manifest = image(LAYERS)
    first = image(subject=described(manifest, OCI_MANIFEST))
    second = image(subject=described(first, OCI_MANIFEST))
    entries = [entry(second), entry(first), entry(manifest, "quay.io/team/app:1")]
    path = layout_of(tmp_path / "it", entries, manifest, first, second, CONFIG, *LAYERS)

    done = await into(there, path)

    assert (done.names, done.failures) == (3, [])
    for content in (manifest, first, second):
        assert await there.repository(APP).manifests.has(Digest.of(content))


@pytest.mark.parametrize(
    ("entries", "contents", "reason"),
    [
        ([entry(image(LAYERS), "a:1")], [image(LAYERS), CONFIG, LAYERS[0]], "neither the archive"),
        ([entry(image(LAYERS), "a:1")], [CONFIG, *LAYERS], "neither the archive nor the store"),
        ([entry(b"{}", "a:1")], [b"{}"], "manifest invalid"),
        ([entry(image(), "A:1")], [image(), CONFIG], "invalid repository name 'A'"),
        ([entry(image(), "a:-")], [image(), CONFIG], "invalid tag '-'"),
        ([entry(image(), "a:1") | {"digest": "md5:0"}], [], "unsupported digest algorithm"),
        ([entry(image(), "a:1", "text/plain")], [image()], "does not fit the manifest's"),
    ],
)
async def test_what_is_not_taken(
    there: Registry,
    tmp_path: Path,
    entries: list[dict[str, Any]],
    contents: list[bytes],
    reason: str,
) -> None:
    good = image([b"good"])
    entries = [*entries, entry(good, "good:1")]
    path = layout_of(tmp_path / "it", entries, *contents, good, CONFIG, b"good")

    done = await into(there, path)

    (failure,) = done.failures
    assert reason in failure
    assert set(await verify(there, RepositoryName("good"))) == {"1"}
    assert not await keys(there.driver, f"{layout.REPOSITORIES}a/_manifests")


async def test_content_that_is_not_what_its_name_says(there: Registry, tmp_path: Path) -> None:
    manifest = image(LAYERS)
    path = layout_of(tmp_path / "it", [entry(manifest, "a:1")], manifest, CONFIG, *LAYERS)
    layer = path / path_of(Digest.of(LAYERS[0]))
    layer.write_bytes(b"X" * len(LAYERS[0]))

    changed = await into(there, path)
    layer.write_bytes(b"longer than it should be")
    longer = await into(there, path)
    (path / path_of(Digest.of(manifest))).write_bytes(image())
    other = await into(there, path)

    assert "the uploaded content has digest" in changed.failures[0]
    assert "has 24 bytes and not 11, as it says" in longer.failures[0]
    assert "has something else under" in other.failures[0]
    assert not await keys(there.driver, layout.blob(Digest.of(LAYERS[0])))


async def test_a_tag_that_would_be_two_images(there: Registry, tmp_path: Path) -> None:
    entries = [entry(image(LAYERS), "a:1"), entry(image(), "b:1")]
    path = layout_of(tmp_path / "it", entries, image(LAYERS), image(), CONFIG, *LAYERS)

    with pytest.raises(ArchiveError, match="has two images that would be team/app:1"):
        await into(there, path, APP)

    assert (await into(there, path)).failures == []


async def test_indexes_nested_without_end(there: Registry, tmp_path: Path) -> None:
    contents = [image()]
    for _ in range(60):
        contents.append(
            index(manifests=[described(contents[-1], OCI_INDEX if contents[1:] else OCI_MANIFEST)])
        )
    entries = [entry(contents[-1], "a:1", OCI_INDEX)]
    path = layout_of(tmp_path / "it", entries, *contents, CONFIG)

    done = await into(there, path)

    assert "is nested deeper than 50 manifests" in done.failures[0]


async def test_what_is_there_is_not_written_again(registry: Registry, tmp_path: Path) -> None:
    await fill(registry)
    await out(registry, tmp_path / "it")
    driver = Counting()
    async with open_registry(driver, Rules()) as there:
        first = await into(there, tmp_path / "it")
        blobs = [key for key in driver.written if key.startswith(layout.BLOBS)]
        driver.written.clear()
        second = await into(there, tmp_path / "it")
        layers = [layout.blob(Digest.of(content)) for content in (CONFIG, *LAYERS)]

    assert first.written == 3
    assert {blobs.count(key) for key in layers} == {1}
    assert second.written == 0
    assert not set(layers) & set(driver.written)
    assert second.names == first.names


async def test_a_torn_blob_of_the_store_is_replaced(registry: Registry, tmp_path: Path) -> None:
    await fill(registry)
    await out(registry, tmp_path / "it")
    await put(registry.driver, layout.blob(Digest.of(LAYERS[1])), b"torn")

    done = await into(registry, tmp_path / "it")

    assert done.failures == []
    await verify(registry, APP)


async def test_tags_come_last_and_the_rest_stays_when_it_is_stopped(
    registry: Registry, there: Registry, path: Path
) -> None:
    await fill(registry)
    await out(registry, path)
    asked: list[list[str]] = []

    async def before() -> None:
        asked.append(await keys(there.driver, layout.tags(APP)))
        if len(asked) == 4:
            raise UnavailableError("", "read-only")

    with open_source(path) as source, pytest.raises(UnavailableError):
        await import_from(there, source, before=before)

    assert asked == [[], [], [], []]
    done = await into(there, path)
    assert done.failures == []
    assert await contents(there.driver) == await contents(registry.driver)


async def test_rules_hold_for_imports(registry: Registry, tmp_path: Path) -> None:
    await push(registry, APP, image(LAYERS), "1")
    await out(registry, tmp_path / "it")
    rules = Rules(classes=("plugin",))
    async with open_registry(DictionaryDriver({}), rules) as there:
        done = await into(there, tmp_path / "it")

    assert done.failures == ["team/app:1: registry does not allow image manifest"]
