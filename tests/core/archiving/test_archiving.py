"""What goes out of one store and into another is the same, whole, and nothing but that."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from tests.core.stores import CONFIG, chunks, described, image, index, keys, put, verify
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.archiving import (
    ArchiveError,
    Exported,
    Imported,
    Selection,
    export,
    import_from,
    open_source,
    open_target,
)
from entrepot.core.archiving.layouts import index_of, mark, path_of
from entrepot.core.archiving.names import REF_NAME
from entrepot.core.content import Platforms
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import UnavailableError
from entrepot.core.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Registry, Rules, open_registry

pytestmark = pytest.mark.anyio
APP, OTHER = RepositoryName("team/app"), RepositoryName("other")
LAYERS = [b"first layer", b"second" * 1000]


class Counting(DictionaryDriver):
    """Counts what is read and written of blobs."""

    def __init__(self) -> None:
        super().__init__({})
        self.written: list[str] = []

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        self.written.append(key)
        return await super().write(key, chunks, create=create)


@pytest.fixture
async def registry() -> AsyncGenerator[Registry, None]:
    async with open_registry(DictionaryDriver({}), Rules()) as registry:
        yield registry


@pytest.fixture
async def there() -> AsyncGenerator[Registry, None]:
    """The registry at the other end."""
    async with open_registry(DictionaryDriver({}), Rules()) as registry:
        yield registry


@pytest.fixture(params=["layout", "layout.tar"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


async def push(
    registry: Registry,
    name: RepositoryName,
    manifest: bytes,
    *tags: str,
    blobs: list[bytes] = LAYERS,
) -> Digest:
    repository = registry.repository(name)
    for content in (CONFIG, *blobs):
        await repository.blobs.put(Digest.of(content), chunks(content))
    digest = Digest.of(manifest)
    await repository.manifests.put(digest, manifest, None, [Tag(tag) for tag in tags])
    return digest


async def out(registry: Registry, path: Path, *wanted: str, since: Path | None = None) -> Exported:
    selections = [Selection.parse(text) for text in wanted or ["**"]]
    async with open_target(path) as target:
        if since is None:
            return await export(registry, selections, target)
        with open_source(since, index_alone=True) as earlier:
            return await export(registry, selections, target, earlier)


async def into(registry: Registry, path: Path, name: RepositoryName | None = None) -> Imported:
    with open_source(path) as source:
        return await import_from(registry, source, name)


async def contents(driver: Driver) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for key in await keys(driver, "docker/"):
        async with aclosing(driver.read(key)) as read:
            found[key] = b"".join([chunk async for chunk in read])
    return found


async def fill(registry: Registry) -> None:
    """Two repositories that share layers, with an index, a referrer of its child, and one of
    that.
    """
    child = image(LAYERS)
    await push(registry, APP, child)
    await push(registry, APP, index([child]), "1", "latest")
    signature = image(subject=described(child, OCI_MANIFEST))
    await push(registry, APP, signature)
    await push(registry, APP, image(subject=described(signature, OCI_MANIFEST)))
    await push(registry, OTHER, image(LAYERS[:1]), "1", blobs=LAYERS[:1])


def files_in(path: Path) -> list[str]:
    return [one.name for one in path.rglob("*") if one.is_file()]


def index_in(path: Path) -> list[Descriptor]:
    with open_source(path) as source:
        return source.entries


async def test_another_store_gets_all_of_it(
    registry: Registry, there: Registry, path: Path
) -> None:
    await fill(registry)

    exported = await out(registry, path)
    imported = await into(there, path)

    assert (exported.names, exported.failures) == (3, [])
    assert (imported.names, imported.failures) == (5, [])
    assert await contents(there.driver) == await contents(registry.driver)
    assert set(await verify(there, APP)) == {"1", "latest"}


async def test_one_tag_takes_what_it_needs_and_nothing_else(
    registry: Registry, there: Registry, path: Path
) -> None:
    await push(registry, APP, image(LAYERS), "1")
    await push(registry, APP, image([b"other"]), "2", blobs=[b"other"])

    await out(registry, path, "team/app:1")
    await into(there, path)

    assert set(await verify(there, APP)) == {"1"}
    blobs = [layout.digest_of_blob(key) for key in await keys(there.driver, layout.BLOBS)]
    wanted = {Digest.of(content) for content in (CONFIG, *LAYERS, image(LAYERS))}
    assert set(blobs) == wanted


async def test_an_image_by_its_digest(registry: Registry, there: Registry, path: Path) -> None:
    digest = await push(registry, APP, image(LAYERS))

    exported = await out(registry, path, f"team/app@{digest}")
    await into(there, path)

    assert exported.names == 1
    assert await there.repository(APP).manifests.has(digest)
    assert await verify(there, APP) == {}


async def test_all_algorithms(registry: Registry, there: Registry, path: Path) -> None:
    layer = b"by its sha512"
    manifest = image(layers=[described(layer, "application/x", "sha512")])
    repository = registry.repository(APP)
    await repository.blobs.put(Digest.of(layer, "sha512"), chunks(layer))
    await repository.blobs.put(Digest.of(CONFIG), chunks(CONFIG))
    digest = Digest.of(manifest, "sha384")
    await repository.manifests.put(digest, manifest, None, [Tag("1")])

    exported = await out(registry, path)
    imported = await into(there, path)

    assert exported.failures == imported.failures == []
    assert await contents(there.driver) == await contents(registry.driver)


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


async def test_damaged_images_are_told_and_left_out(
    registry: Registry, there: Registry, path: Path
) -> None:
    await push(registry, APP, image(LAYERS), "good")
    await push(registry, APP, image([b"damaged"]), "bad", blobs=[b"damaged"])
    await push(registry, APP, image([b"lost"]), "gone", blobs=[b"lost"])
    await put(registry.driver, layout.blob(Digest.of(b"damaged")), b"DAMAGED")
    await registry.driver.delete([layout.blob(Digest.of(b"lost"))])

    done = await out(registry, path)
    await into(there, path)

    bad, gone = sorted(done.failures)
    assert bad.startswith(f"team/app:bad: {Digest.of(b'damaged')} has the digest ")
    assert gone == "team/app:gone: blob unknown to repository team/app"
    assert set(await verify(there, APP)) == {"good"}
    assert Digest.of(b"damaged").hex not in " ".join(await keys(there.driver))


async def test_a_damaged_referrer_does_no_harm_to_what_it_refers_to(
    registry: Registry, path: Path
) -> None:
    subject = image(LAYERS)
    await push(registry, APP, subject, "1")
    referrer = image([b"lost"], subject=described(subject, OCI_MANIFEST))
    digest = await push(registry, APP, referrer, blobs=[b"lost"])
    await registry.driver.delete([layout.blob(Digest.of(b"lost"))])

    done = await out(registry, path)

    assert done.names == 1
    assert done.failures == [f"team/app@{digest}: blob unknown to repository team/app"]
    assert len(index_in(path)) == 1


async def test_a_forged_list_of_referrers_does_not_go_round_in_circles(
    registry: Registry, there: Registry, path: Path
) -> None:
    child = image(LAYERS)
    await push(registry, APP, child)
    above = index([child])
    await push(registry, APP, above, "1")
    forged = json.dumps({"schemaVersion": 2, "manifests": [described(above, OCI_INDEX)]}).encode()
    await push(registry, APP, forged, f"sha256-{Digest.of(child).hex}")

    done = await out(registry, path)
    await into(there, path)

    assert done.failures == []
    assert await contents(there.driver) == await contents(registry.driver)


async def test_children_that_an_index_may_lack(there: Registry, path: Path) -> None:
    rules = Rules(platforms=Platforms("none"))
    async with open_registry(DictionaryDriver({}), rules) as registry:
        await push(registry, APP, index([image(LAYERS)]), "1", blobs=[])
        done = await out(registry, path)
    assert (done.names, done.failures) == (1, [])

    refused = await into(there, path)
    assert "lacks 1 of what the manifest names" in refused.failures[0]
    assert str(Digest.of(image(LAYERS))) in refused.failures[0]


async def test_nothing_of_what_is_wanted(registry: Registry, path: Path) -> None:
    await push(registry, APP, image(LAYERS), "1")

    with pytest.raises(ArchiveError, match=r"nothing was exported: team/app:2: nothing is called"):
        await out(registry, path, "team/app:2", "team")

    assert set(files_in(path.parent)) <= {"oci-layout"}


async def test_some_of_what_is_wanted(registry: Registry, path: Path) -> None:
    await push(registry, APP, image(LAYERS), "1")

    done = await out(registry, path, "team/app:1", "team/app:2", "nobody/**")

    assert done.names == 1
    assert done.failures == ["team/app:2: nothing is called so", "nobody/**: nothing is called so"]


async def test_an_export_that_breaks_off_leaves_no_index(registry: Registry, path: Path) -> None:
    await push(registry, APP, image(LAYERS), "1")

    class OutageError(Exception):
        pass

    def told(_: int) -> None:
        raise OutageError

    with pytest.raises(OutageError):
        async with open_target(path) as target:
            await export(registry, [Selection.parse("**")], target, told=told)

    assert files_in(path.parent) == ([] if path.suffix else ["oci-layout"])


async def test_a_tar_replaces_an_earlier_one_at_the_end(registry: Registry, tmp_path: Path) -> None:
    await push(registry, APP, image(LAYERS), "1")
    path = tmp_path / "it.tar"
    path.write_bytes(b"earlier")

    async with open_target(path) as target:
        await export(registry, [Selection.parse("**")], target)
        assert path.read_bytes() == b"earlier"

    first = path.read_bytes()
    await out(registry, path)
    assert path.read_bytes() == first
    with tarfile.open(path) as archive:
        assert len(archive.getnames()) == 4 + 2


async def test_a_folder_with_something_else_in_it(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")

    with pytest.raises(ArchiveError, match="is not empty, and no image layout"):
        await out(registry, tmp_path)

    assert files_in(tmp_path) == ["letter"]


async def test_an_index_that_cannot_be_read_is_told_first(
    registry: Registry, tmp_path: Path
) -> None:
    await fill(registry)
    await out(registry, tmp_path / "it", "other")
    (tmp_path / "it" / "index.json").write_text("{")

    with pytest.raises(ArchiveError, match=r"index\.json: document: Invalid JSON"):
        await out(registry, tmp_path / "it")

    assert not (tmp_path / "it" / path_of(Digest.of(LAYERS[1]))).exists()


async def test_no_compressed_tar_is_written(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"say FILE\.tar, and compress it afterwards"):
        await out(registry, tmp_path / "it.tar.gz")


# -- layouts of others -------------------------------------------------------------------------


def layout_of(
    folder: Path, entries: list[dict[str, Any]], *contents: bytes, damage: bytes = b""
) -> Path:
    found = [Descriptor.model_validate(entry) for entry in entries]
    for name, content in (("oci-layout", mark()), ("index.json", index_of(found))):
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    for content in contents:
        file = folder / path_of(Digest.of(content))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content + damage)
    return folder


def entry(content: bytes, name: str = "", media_type: str = OCI_MANIFEST) -> dict[str, Any]:
    return described(content, media_type) | ({"annotations": {REF_NAME: name}} if name else {})


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
