"""What a bucket of Google Cloud Storage does, strictly, where emulators look away.

Written after Google's documentation of the JSON API: "Objects", "Resumable uploads", "Request
preconditions", "Compose", "Rewrite". It shows that the driver keeps to that, as it is
understood here; only Google itself can show more.
"""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from entrepot.core.configuration.tree import is_list
from entrepot.drivers.gcs.google import crc32c_behind

STEP = 256 * 1024  # chunks of a resumable upload are multiples of it, but for the last one
Params = Mapping[str, str]
Resource = dict[str, Any]


class RefusalError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Object:
    name: str
    content: bytes
    generation: int
    created: float
    metadata: Mapping[str, str]

    def resource(self, bucket: str) -> Resource:
        return {
            "kind": "storage#object",
            "bucket": bucket,
            "name": self.name,
            "size": str(len(self.content)),
            "generation": str(self.generation),
            "timeCreated": datetime.fromtimestamp(self.created, UTC).isoformat(),
            "crc32c": checksum(self.content),
            **({"metadata": dict(self.metadata)} if self.metadata else {}),
        }


@dataclass(slots=True)
class Session:
    """A resumable upload."""

    resource: Resource
    params: Params
    content: bytearray = field(default_factory=bytearray)
    is_cancelled: bool = False
    result: Object | None = None


class Store:
    """One bucket. Answers are resources, or None for a session that waits for more."""

    def __init__(self, bucket: str = "bucket") -> None:
        self.bucket = bucket
        self.objects: dict[str, Object] = {}
        self.sessions: dict[str, Session] = {}
        self.rewrite_step = 1 << 40  # bytes copied by one call to rewrite
        self._rewrites: dict[str, tuple[int, int]] = {}  # generation and bytes, by token
        self._generations = itertools.count(1_700_000_000_000_000)

    def find(self, name: str, generation: str = "") -> Object:
        found = self.objects.get(name)
        if found is None or (generation and generation != str(found.generation)):
            raise RefusalError(404, f"No such object: {self.bucket}/{name}", "notFound")
        return found

    def put(self, resource: Resource, content: bytes, params: Params) -> Object:
        name = str(resource["name"])
        self._check(self.objects.get(name), params.get("ifGenerationMatch"))
        if resource.get("crc32c", checksum(content)) != checksum(content):
            raise RefusalError(400, "Provided CRC32C does not match the calculated one", "invalid")
        metadata = resource.get("metadata", {})
        new = Object(name, content, next(self._generations), time.time(), metadata)
        self.objects[name] = new
        return new

    def delete(self, name: str, params: Params) -> None:
        self._check(self.find(name), params.get("ifGenerationMatch"))
        del self.objects[name]

    # -- resumable uploads --------------------------------------------------------------

    def begin(self, resource: Resource, params: Params) -> str:
        token = uuid4().hex
        self.sessions[token] = Session(resource, params)
        return token

    def send(self, token: str, extent: str, content: bytes, crc32c: str) -> Object | None:
        """One request of a session; `extent` is its Content-Range without the unit."""
        session = self.sessions.get(token)
        if session is None:
            raise RefusalError(404, "Not Found", "notFound")
        if session.is_cancelled:
            raise RefusalError(499, "Client Closed Request")
        if session.result is not None:
            return session.result
        span, total = extent.split("/")
        if span != "*":
            self._extend(session, span, total, content)
        elif content:
            raise RefusalError(400, "a request without a range has content")
        if total == "*" or len(session.content) != int(total):
            return None
        whole = bytes(session.content)
        if crc32c and crc32c != checksum(whole):
            raise RefusalError(400, "Provided CRC32C does not match the calculated one", "invalid")
        session.result = self.put(session.resource, whole, session.params)
        return session.result

    def _extend(self, session: Session, span: str, total: str, content: bytes) -> None:
        first, last = map(int, span.split("-"))
        if first != len(session.content):
            raise RefusalError(400, f"offset {first}, but {len(session.content)} bytes are held")
        if len(content) != last + 1 - first:
            raise RefusalError(400, "the content is not as long as its range")
        if len(content) % STEP and (total == "*" or last + 1 != int(total)):
            raise RefusalError(400, "a chunk is no multiple of 256 KiB")
        session.content += content

    def cancel(self, token: str) -> None:
        session = self.sessions.get(token)
        if session is None:
            raise RefusalError(404, "Not Found", "notFound")
        session.is_cancelled = session.result is None
        session.content.clear()
        raise RefusalError(499, "Client Closed Request")

    @property
    def open_sessions(self) -> list[str]:
        """Names of the objects whose sessions neither ended nor were cancelled."""
        return [
            str(session.resource["name"])
            for session in self.sessions.values()
            if session.result is None and not session.is_cancelled
        ]

    # -- copies and joins ---------------------------------------------------------------

    def compose(self, name: str, content: Resource, params: Params) -> Object:
        sources = content["sourceObjects"]
        if not 1 <= len(sources) <= 32:
            raise RefusalError(
                400, "The number of source components must be from 1 to 32", "invalid"
            )
        found: list[Object] = []
        for source in sources:
            found.append(self.find(source["name"]))
            wanted = source.get("objectPreconditions", {}).get("ifGenerationMatch")
            self._check(found[-1], wanted)
        joined = b"".join(one.content for one in found)
        return self.put({**content.get("destination", {}), "name": name}, joined, params)

    def rewrite(self, name: str, target: str, params: Params) -> Resource:
        source = self.find(name, params.get("sourceGeneration", ""))
        token = params.get("rewriteToken", "")
        generation, done = self._rewrites.pop(token, (source.generation, 0))
        if token and (generation != source.generation or not done):
            raise RefusalError(400, "Invalid rewrite token", "invalid")
        done += self.rewrite_step
        answer: Resource = {"kind": "storage#rewriteResponse", "done": done >= len(source.content)}
        if answer["done"]:
            resource = {"name": target, "metadata": source.metadata}
            copied = self.put(resource, source.content, params)
            return answer | {"resource": copied.resource(self.bucket)}
        token = uuid4().hex
        self._rewrites[token] = source.generation, done
        return answer | {"rewriteToken": token}

    # -- listings -----------------------------------------------------------------------

    def list(self, params: Params) -> Resource:
        prefix, delimiter = params.get("prefix", ""), params.get("delimiter", "")
        most = min(int(params.get("maxResults", "1000")), 1000)
        passed = base64.b64decode(params.get("pageToken", "")).decode()
        items: list[Resource] = []
        groups: list[str] = []
        last = ""
        for name in sorted(self.objects):
            cut = name.find(delimiter, len(prefix)) if delimiter else -1
            group = name[: cut + len(delimiter)] if cut >= 0 else ""
            if not name.startswith(prefix) or name < params.get("startOffset", ""):
                continue
            if (group or name) <= passed or (group and group == last):
                continue
            if len(items) + len(groups) == most:
                token = base64.b64encode(last.encode()).decode()
                return {"items": items, "prefixes": groups, "nextPageToken": token}
            last = group or name
            if group:
                groups.append(group)
            else:
                items.append(self.objects[name].resource(self.bucket))
        return {name: value for name, value in (("items", items), ("prefixes", groups)) if value}

    @staticmethod
    def _check(found: Object | None, wanted: str | None) -> None:
        if wanted is not None and int(wanted) != (found.generation if found else 0):
            message = "At least one of the pre-conditions you specified did not hold."
            raise RefusalError(412, message, "conditionNotMet")


def checksum(content: bytes) -> str:
    return base64.b64encode(crc32c_behind(0, content).to_bytes(4, "big")).decode()


def selected(answer: Any, fields: str) -> Any:
    """Of an answer, only the fields that were asked for."""
    if not fields or not isinstance(answer, dict):
        return answer
    kept: Resource = {}
    for name, below in _split(fields):
        if name in answer:
            kept[name] = _selected_all(answer[name], below)
    return kept


def _selected_all(value: Any, fields: str) -> Any:
    if is_list(value):
        return [selected(one, fields) for one in value]
    return selected(value, fields)


def _split(fields: str) -> list[tuple[str, str]]:
    """`a,b(c,d)` as `a` with nothing and `b` with `c,d`."""
    found: list[tuple[str, str]] = []
    while fields:
        end = min(at for at in (fields.find(","), fields.find("("), len(fields)) if at >= 0)
        name, below = fields[:end], ""
        if fields[end : end + 1] == "(":
            close = fields.index(")", end)
            below, end = fields[end + 1 : close], close + 1
        found.append((name, below))
        fields = fields[end + 1 :]
    return found
