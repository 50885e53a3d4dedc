"""Tars are read without trust: nobody's header makes more of them than the file has."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.core.archiving import ArchiveError, open_source
from entrepot.core.archiving.errors import ContentError
from entrepot.core.archiving.layouts import index_of, mark, path_of
from entrepot.core.archiving.tars import END, Member, header, members, padding
from entrepot.core.names import Digest

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
LAYOUT = {"oci-layout": mark(), "index.json": index_of([])}


def write(
    path: Path,
    files: dict[str, bytes],
    form: int = tarfile.PAX_FORMAT,
    change: Callable[[tarfile.TarInfo], object] = lambda _: None,
) -> Path:
    with tarfile.open(path, "w", format=form) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if name not in LAYOUT:
                change(member)
            archive.addfile(member, io.BytesIO(content))
    return path


def listed(path: Path) -> list[Member]:
    with path.open("rb", buffering=0) as file:
        return list(members(file, "it"))


@pytest.mark.parametrize("form", FORMATS)
def test_members_of_every_format(tmp_path: Path, form: int) -> None:
    files = {"a": b"", "b/c": b"x" * 600, "blobs/" + "d" * 90: b"y"}

    path = write(tmp_path / "it.tar", files, form)

    content = path.read_bytes()
    found = {one.name: content[one.offset : one.offset + one.size] for one in listed(path)}
    assert found == files


@pytest.mark.parametrize("form", FORMATS[1:])
def test_long_names_and_odd_ones(tmp_path: Path, form: int) -> None:
    names = {"blobs/sha512/" + "0" * 128: b"x", "é\x80" + "n" * 120: b"", "../../etc/passwd": b"p"}

    found = listed(write(tmp_path / "it.tar", names, form))

    assert [one.name for one in found] == list(names)


def test_what_we_write_is_a_tar_for_others(tmp_path: Path) -> None:
    files = {path_of(Digest.of(b"1", "sha512")): b"1", "index.json": b"x" * 513, "empty": b""}
    path = tmp_path / "it.tar"
    with path.open("wb") as file:
        for name, content in files.items():
            file.write(header(name, len(content)) + content + padding(len(content)))
        file.write(END)

    with tarfile.open(path) as archive:
        read = {one.name: archive.extractfile(one) for one in archive}
        assert {name: file.read() for name, file in read.items() if file} == files
    assert [one.name for one in listed(path)] == list(files)


@pytest.mark.parametrize("is_pax", [True, False])
def test_member_of_nine_gigabytes(tmp_path: Path, *, is_pax: bool) -> None:
    size = 9 * 2**30
    member = tarfile.TarInfo("big")
    member.size = size
    path = tmp_path / "it.tar"
    with path.open("wb") as file:
        file.write(member.tobuf(tarfile.PAX_FORMAT if is_pax else tarfile.GNU_FORMAT))
        file.truncate(file.tell() + size)
        file.seek(0, io.SEEK_END)
        file.write(header("behind", 0) + END)

    first, second = listed(path)

    assert (first.size, second.name) == (size, "behind")


def test_a_tar_that_is_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path / "it.tar", {"a": b"x" * 5000})
    with path.open("r+b") as file:
        file.truncate(4000)

    with pytest.raises(ArchiveError, match="it is cut off: it ends before its member 'a'"):
        listed(path)


@pytest.mark.parametrize("content", [b"x" * 600, b"\x1f\x8b" + b"z" * 1000, b"short"])
def test_what_is_no_tar(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "it.tar"
    path.write_bytes(content)

    with pytest.raises(ArchiveError, match="is no tar; a compressed one has to be decompressed"):
        listed(path)


def test_damage_in_the_middle(tmp_path: Path) -> None:
    path = write(tmp_path / "it.tar", {"a": b"x" * 512, "b": b""})
    with path.open("r+b") as file:
        file.seek(1024)
        file.write(b"!" * 512)

    with pytest.raises(ArchiveError, match="is damaged at byte 1024"):
        listed(path)


def pax(record: bytes, size: int | None = None) -> bytes:
    member = tarfile.TarInfo("x")
    member.type = tarfile.XHDTYPE
    member.size = len(record) if size is None else size
    return member.tobuf(tarfile.USTAR_FORMAT) + record + padding(len(record))


@pytest.mark.parametrize(
    "record",
    [b"no record", b"99 path=a\n", b"3 =\n", b"0 path=a\n", b"12 size=many\n", b"12 size=9_9_\n"],
)
def test_damaged_headers(tmp_path: Path, record: bytes) -> None:
    path = tmp_path / "it.tar"
    path.write_bytes(pax(record) + header("a", 0) + END)

    with pytest.raises(ArchiveError, match="header"):
        listed(path)


def test_a_header_that_is_larger_than_any(tmp_path: Path) -> None:
    path = tmp_path / "it.tar"
    with path.open("wb") as file:
        file.write(pax(b"", 2**30))
        file.truncate(2**31)

    with pytest.raises(ArchiveError, match="has a header of 1073741824 bytes"):
        listed(path)


def test_sizes_below_zero(tmp_path: Path) -> None:
    path = tmp_path / "it.tar"
    path.write_bytes(pax(b"12 size=-99\n") + header("a", 0) + END)

    with pytest.raises(ArchiveError, match="is cut off"):
        listed(path)


@pytest.mark.anyio
async def test_layout_in_any_order_with_strangers_in_it(tmp_path: Path) -> None:
    digest = Digest.of(b"content")
    files = {
        f"./{path_of(digest)}": b"content",
        "manifest.json": b"[]",
        "../blobs/sha256/" + "0" * 64: b"outside",
        "/index.json": b"nonsense",
        **LAYOUT,
    }

    with open_source(write(tmp_path / "it.tar", files)) as source:
        assert source.entries == []
        assert b"".join([chunk async for chunk in source.read(digest)]) == b"content"
        assert await source.size(Digest("sha256", "0" * 64)) is None
        with pytest.raises(ContentError, match="does not have"):
            await anext(source.read(Digest("sha256", "0" * 64)))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
def test_content_that_is_a_link_or_a_device(tmp_path: Path, kind: bytes) -> None:
    def change(member: tarfile.TarInfo) -> None:
        member.type, member.linkname = kind, "/etc/passwd"

    path = write(tmp_path / "it.tar", {**LAYOUT, path_of(Digest.of(b"")): b""}, change=change)

    with pytest.raises(ArchiveError, match="is no regular file"), open_source(path):
        pass


def test_sparse_member(tmp_path: Path) -> None:
    path = tmp_path / "it.tar"
    name = path_of(Digest.of(b""))
    path.write_bytes(pax(b"22 GNU.sparse.major=1\n") + header(name, 0) + END)

    with pytest.raises(ArchiveError, match="is no regular file"), open_source(path):
        pass


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "is no image layout: it has no oci-layout"),
        ({"oci-layout": mark()}, "has no index.json, as if it had not been written to its end"),
        ({"oci-layout": b"{}", "index.json": index_of([])}, "of version 'unknown'"),
        ({"oci-layout": b'{"imageLayoutVersion":"2.0"}'}, "of version '2.0', not 1"),
        ({"oci-layout": mark(), "index.json": b"{"}, "index.json: document: Invalid JSON"),
        ({"oci-layout": mark(), "index.json": b'{"manifests":[{}]}'}, "manifests.0.mediaType"),
    ],
)
def test_what_is_no_layout(tmp_path: Path, files: dict[str, bytes], reason: str) -> None:
    path = write(tmp_path / "it.tar", files)
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)

    for one in (path, folder):
        with pytest.raises(ArchiveError, match=reason), open_source(one):
            pass


def test_what_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(ArchiveError, match=r"nowhere: No such file"),
        open_source(tmp_path / "nowhere"),
    ):
        pass
