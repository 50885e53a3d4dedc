"""Tar files, read with suspicion and written in one go.

A header is never believed further than the file goes: sizes are compared with it, and what
describes a member may not be large. Nothing is unpacked, so no name leads anywhere.
Source: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header".
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Generator
from dataclasses import dataclass
from typing import BinaryIO

from entrepot.core.archiving.errors import ArchiveError

BLOCK = 512
END = bytes(2 * BLOCK)
_LONGEST = 64 * 1024  # bytes that describe a member; ours take three blocks
_FILES = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE}
_DESCRIBING = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a tar: a `file` whose content is `size` bytes at `offset`, or something else."""

    name: str
    offset: int
    size: int
    is_file: bool


def header(name: str, size: int) -> bytes:
    """What goes before a file's content: the same for the same content, whoever writes it."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member.tobuf(tarfile.PAX_FORMAT)


def padding(size: int) -> bytes:
    """What goes behind a content of `size` bytes."""
    return bytes(-size % BLOCK)


def members(file: BinaryIO, name: str) -> Generator[Member, None, None]:
    """All members of the tar called `name`, in its order; contents are passed over.

    Raises ArchiveError: if it is no tar, is cut off, or has what nobody needs in it.
    """
    end = os.fstat(file.fileno()).st_size
    described: dict[str, str] = {}
    offset = 0
    while offset < end:
        found = _header(file, name, offset)
        if found is None:
            return
        offset += BLOCK
        size = int(described.get("size") or found.size)
        if size < 0 or offset + size > end:
            raise ArchiveError(f"{name} is cut off: it ends before its member {found.name!r}")
        if found.type in _DESCRIBING:
            described |= _described(file, name, found, offset)
        else:
            path = described.get("path") or found.name
            is_file = found.type in _FILES and not path.endswith("/")
            sparse = any(key.startswith("GNU.sparse.") for key in described)
            yield Member(path, offset, size, is_file and not sparse)
            described = {}
        offset += size + -size % BLOCK


def _header(file: BinaryIO, name: str, offset: int) -> tarfile.TarInfo | None:
    """The header at a place; None: there is the end mark."""
    file.seek(offset)
    block = file.read(BLOCK)
    if not block.strip(b"\0"):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        if offset:
            reason = f"is damaged at byte {offset}"
        else:
            reason = "is no tar; a compressed one has to be decompressed before"
        raise ArchiveError(f"{name} {reason}") from error


def _described(file: BinaryIO, name: str, found: tarfile.TarInfo, offset: int) -> dict[str, str]:
    """What a header in front of the next member says of it."""
    if found.size > _LONGEST:
        raise ArchiveError(f"{name} has a header of {found.size} bytes at byte {offset}")
    file.seek(offset)
    content = file.read(found.size)
    if found.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": content.rstrip(b"\0").decode("utf-8", "surrogateescape")}
    if found.type in {tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE}:
        return {}
    try:
        return dict(_records(content))
    except ValueError:
        raise ArchiveError(f"{name} has a damaged header at byte {offset}") from None


def _records(content: bytes) -> Generator[tuple[str, str], None, None]:
    """The records of a pax header. Raises ValueError: if they are none."""
    while content.rstrip(b"\0"):
        length, _, _ = content.partition(b" ")
        size = int(length)
        if not len(length) < size <= len(content):
            raise ValueError
        record, content = content[len(length) + 1 : size], content[size:]
        key, equals, value = record.rstrip(b"\n").partition(b"=")
        if not equals:
            raise ValueError
        text = value.decode("utf-8", "surrogateescape")
        if key == b"size":
            int(text)
        yield key.decode("utf-8", "surrogateescape"), text
