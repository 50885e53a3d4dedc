"""What goes out of one store and into another is the same, whole, and nothing but that."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from tests.core.archiving.archived import (
    APP,
    LAYERS,
    contents,
    files_in,
    fill,
    index_in,
    into,
    out,
    push,
)
from tests.core.stores import CONFIG, chunks, described, image, index, keys, put, verify
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.archiving import (
    ArchiveError,
    Selection,
    export,
    open_target,
)
from entrepot.core.archiving.layouts import path_of
from entrepot.core.content import Platforms
from entrepot.core.manifest import OCI_INDEX, OCI_MANIFEST
from entrepot.core.names import Digest, Tag
from entrepot.core.registry import Registry, Rules, open_registry

pytestmark = pytest.mark.anyio


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
