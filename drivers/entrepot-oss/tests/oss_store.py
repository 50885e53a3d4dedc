"""Buckets of the imitation of OSS, in memory."""

from __future__ import annotations

import hashlib
import time
import uuid
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


class Refusal(Exception):  # noqa: N818 - what a server does
    """What OSS answers instead of doing what it is asked."""

    def __init__(self, status: int, code: str, message: str = "", **fields: str) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.message = message or code
        self.fields = fields


@dataclass(frozen=True)
class Stored:
    """One object. `headers` are what it was stored with and is given back with."""

    data: bytes
    etag: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    kind: str = "Normal"
    modified: float = field(default_factory=time.time)


@dataclass
class Uploading:
    """A multipart upload."""

    name: str
    headers: Mapping[str, str]
    parts: dict[int, Stored] = field(default_factory=dict[int, Stored])


class Bucket:
    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Uploading] = {}
        self.versioning = ""  # Enabled or Suspended
        self._names: list[str] = []

    def names(self, prefix: str = "", after: str = "") -> Iterator[str]:
        """In byte order."""
        at = max(bisect_left(self._names, prefix), bisect_right(self._names, after) if after else 0)
        while at < len(self._names) and self._names[at].startswith(prefix):
            yield self._names[at]
            at += 1

    def get(self, name: str) -> Stored:
        if name not in self.objects:
            raise Refusal(404, "NoSuchKey", "The specified key does not exist.", Key=name)
        return self.objects[name]

    def put(self, name: str, stored: Stored, *, alone: bool) -> None:
        """With `alone`, unless there is one: which OSS does not look at where it keeps versions."""
        self.check_alone(name, alone=alone)
        if name not in self.objects:
            insort(self._names, name)
        self.objects[name] = stored

    def check_alone(self, name: str, *, alone: bool) -> None:
        if alone and not self.versioning and name in self.objects:
            message = "The object you specified already exists and can not be overwritten."
            raise Refusal(409, "FileAlreadyExists", message)

    def delete(self, name: str) -> None:
        if self.objects.pop(name, None) is not None:
            del self._names[bisect_left(self._names, name)]

    def begin(self, name: str, headers: Mapping[str, str]) -> str:
        id_ = uuid.uuid4().hex.upper()
        self.uploads[id_] = Uploading(name, headers)
        return id_

    def upload(self, name: str, id_: str) -> Uploading:
        found = self.uploads.get(id_)
        if found is None or found.name != name:
            message = "The specified upload does not exist. The upload ID may be invalid."
            raise Refusal(404, "NoSuchUpload", message)
        return found


def stored(data: bytes, headers: Mapping[str, str]) -> Stored:
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest().upper()
    return Stored(data, f'"{digest}"', headers)


def joined(upload: Uploading, chosen: list[tuple[int, str]], least: int) -> Stored:
    """The object of those parts, numbers and ETags; others are left out."""
    numbers = [number for number, _ in chosen]
    if not chosen or numbers != sorted(set(numbers)):
        raise Refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    parts = list[Stored]()
    for number, etag in chosen:
        part = upload.parts.get(number)
        if part is None or part.etag.strip('"') != etag.strip('"'):
            message = "One or more of the specified parts could not be found or the ETag differs."
            raise Refusal(400, "InvalidPart", message, PartNumber=str(number))
        parts.append(part)
    if any(len(part.data) < least for part in parts[:-1]):
        message = "Your proposed upload is smaller than the minimum allowed size."
        raise Refusal(400, "EntityTooSmall", message)
    digests = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
    digest = hashlib.md5(digests, usedforsecurity=False).hexdigest().upper()
    data = b"".join(part.data for part in parts)
    return Stored(data, f'"{digest}-{len(parts)}"', upload.headers, "Multipart")
