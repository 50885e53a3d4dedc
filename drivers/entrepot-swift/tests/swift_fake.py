"""A strict Swift with Keystone in this process, and the bad luck that no real one has on cue."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from functools import cached_property
from itertools import count
from typing import Any
from urllib.parse import unquote

import httpx2
from keystone_fake import KEYSTONE, KeystoneFake

from entrepot_swift import SwiftOptions

SWIFT = "http://swift.test/v1/AUTH_project"
PAGE = 50  # entries of a listing at most
SEGMENTS = 20  # of a manifest
MIB = 1024 * 1024


@dataclass
class Stored:
    data: bytes
    meta: dict[str, str]
    modified: float
    manifest: list[dict[str, Any]] | None = None

    @cached_property
    def etag(self) -> str:
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()


@dataclass
class Fault:
    """What happens to the requests that it fits: an answer, or an error before or after."""

    fits: Callable[[httpx2.Request], bool]
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    lost: bool = False  # done, and the connection breaks before the answer
    times: int = 1


class SwiftFake:
    """Refuses what Swift refuses. `requests` are all that reached it, in order."""

    def __init__(self) -> None:
        self.keystone = KeystoneFake(SWIFT)
        self.containers: dict[str, dict[str, Stored]] = {}
        self.container_meta: dict[str, dict[str, str]] = {}
        self.account_meta: dict[str, str] = {}
        self.info: dict[str, Any] | None = {
            "swift": {"version": "2.30.1", "container_listing_limit": PAGE},
            "slo": {"max_manifest_segments": SEGMENTS},
            "bulk_delete": {"max_deletes_per_request": 5},
            "tempurl": {"methods": ["GET", "HEAD"], "allowed_digests": ["sha1", "sha256"]},
        }
        self.faults: list[Fault] = []
        self.requests: list[httpx2.Request] = []
        self.hidden: set[str] = set()  # names that listings do not show yet
        self._clock = count(1)

    def options(self, **changes: Any) -> SwiftOptions:
        given = {
            "authurl": f"{KEYSTONE}/v3",
            "username": "someone",
            "password": "a secret",
            "tenant": "project",
            "region": "here",
            "container": "images",
            "prefix": "some/where",
            "chunksize": MIB,
        }
        return SwiftOptions.model_validate(given | changes)

    @property
    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self._serve)

    def names(self) -> list[str]:
        return sorted(self.containers.get("images", {}))

    def put(self, name: str, data: bytes, **meta: str) -> None:
        """Something that another program stored."""
        headers = {key.replace("_", "-").lower(): value for key, value in meta.items()}
        self.containers.setdefault("images", {})[name] = Stored(data, headers, time.time())

    # -- what happens to a request ------------------------------------------------------

    async def _serve(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        fault = next((each for each in self.faults if each.times and each.fits(request)), None)
        if fault is not None:
            fault.times -= 1
            if fault.status:
                return httpx2.Response(fault.status, headers=fault.headers, text="<p>no</p>")
        answer = self._answer(request)
        if fault is not None and fault.lost:
            raise httpx2.ReadError("the line is cut", request=request)
        return answer

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        if str(request.url).startswith(KEYSTONE):
            return self.keystone.answer(request)
        path = unquote(request.url.raw_path.decode().partition("?")[0])
        if path == "/info":
            return httpx2.Response(200, json=self.info) if self.info else httpx2.Response(404)
        assert path.startswith("/v1/AUTH_project"), path
        container, _, name = path.removeprefix("/v1/AUTH_project").strip("/").partition("/")
        if "temp_url_sig" in request.url.params:
            return self._linked(request, container, name)
        if not self.keystone.knows(request.headers.get("X-Auth-Token", "")):
            return httpx2.Response(401)
        if not container:
            return self._account(request)
        return (
            self._object(request, container, name) if name else self._container(request, container)
        )

    def _account(self, request: httpx2.Request) -> httpx2.Response:
        if "bulk-delete" in request.url.params:
            return self._bulk(request)
        if request.method == "POST":
            self.account_meta |= _meta(request, "x-account-meta-")
        return httpx2.Response(204, headers=self.account_meta)

    def _container(self, request: httpx2.Request, container: str) -> httpx2.Response:
        if request.method == "PUT":
            self.containers.setdefault(container, {})
            return httpx2.Response(201)
        if container not in self.containers:
            return httpx2.Response(404)
        meta = self.container_meta.setdefault(container, {})
        if request.method == "POST":
            meta |= _meta(request, "x-container-meta-")
        if request.method == "GET":
            return httpx2.Response(200, json=self._listing(request, container))
        return httpx2.Response(204, headers=meta)

    def _listing(self, request: httpx2.Request, container: str) -> list[dict[str, Any]]:
        asked = request.url.params
        prefix, marker, delimiter = (
            asked.get(each, "") for each in ("prefix", "marker", "delimiter")
        )
        found = list[dict[str, Any]]()
        for name in sorted(self.containers[container]):
            if not name.startswith(prefix) or name <= marker or name in self.hidden:
                continue
            end = name.find(delimiter, len(prefix)) if delimiter else -1
            folder = name[: end + 1] if end >= 0 else ""
            if folder and (folder == marker or {"subdir": folder} in found):
                continue
            if folder:
                found.append({"subdir": folder})
            else:
                found.append(_shown(name, self.containers[container][name]))
            if len(found) == min(PAGE, int(asked["limit"])):
                break
        return found

    def _bulk(self, request: httpx2.Request) -> httpx2.Response:
        paths = [unquote(line) for line in request.content.decode().split()]
        assert self.info is not None
        assert len(paths) <= self.info["bulk_delete"]["max_deletes_per_request"]
        there = 0
        for path in paths:
            container, _, name = path.strip("/").partition("/")
            there += self.containers[container].pop(name, None) is not None
        said: dict[str, Any] = {
            "Number Deleted": there,
            "Number Not Found": len(paths) - there,
            "Errors": [],
        }
        return httpx2.Response(200, text=f"  {json.dumps(said)}")

    # -- objects ------------------------------------------------------------------------

    def _object(self, request: httpx2.Request, container: str, name: str) -> httpx2.Response:
        if container not in self.containers:
            return httpx2.Response(404)
        objects = self.containers[container]
        if request.method == "PUT":
            return self._put(request, objects, name)
        if name not in objects:
            return httpx2.Response(404)
        if request.method == "DELETE":
            del objects[name]
            return httpx2.Response(204)
        return self._get(request, objects[name])

    def _put(
        self, request: httpx2.Request, objects: dict[str, Stored], name: str
    ) -> httpx2.Response:
        if request.headers.get("If-None-Match") == "*" and name in objects:
            return httpx2.Response(412)
        meta = {key: value for key, value in request.headers.items() if key.startswith("x-object-")}
        stored = Stored(request.content, meta, time.time() + next(self._clock) / 1e6)
        if "X-Copy-From" in request.headers:
            assert request.content == b""
            source = self._at(unquote(request.headers["X-Copy-From"]))
            if source is None:
                return httpx2.Response(404)
            stored.data = self._content(source)
        if request.url.params.get("multipart-manifest") == "put":
            manifest = json.loads(request.content)
            if not self._is_sound(manifest):
                return httpx2.Response(400, text="Errors:\n")
            stored.manifest = manifest
        objects[name] = stored
        return httpx2.Response(201, headers={"Etag": stored.etag, **_dated(stored)})

    def _is_sound(self, manifest: list[dict[str, Any]]) -> bool:
        """Whether each segment is there and as it was said to be."""
        if not 0 < len(manifest) <= SEGMENTS:
            return False
        for part in manifest:
            segment = self._at(part["path"])
            if segment is None or len(self._content(segment)) != part["size_bytes"]:
                return False
            if segment.manifest is None and part["etag"] not in (None, segment.etag):
                return False
        return True

    def _get(self, request: httpx2.Request, stored: Stored) -> httpx2.Response:
        headers = {**stored.meta, **_dated(stored), "Etag": stored.etag}
        if stored.manifest is not None:
            headers["X-Static-Large-Object"] = "True"
            if request.url.params.get("multipart-manifest") == "get":
                return httpx2.Response(200, headers=headers, json=self._manifest(stored.manifest))
        content = self._content(stored)
        if request.method == "HEAD":
            return httpx2.Response(200, headers={**headers, "Content-Length": str(len(content))})
        if "Range" not in request.headers:
            return httpx2.Response(200, headers=headers, content=content)
        first, _, last = request.headers["Range"].removeprefix("bytes=").partition("-")
        if int(first) >= len(content):
            return httpx2.Response(416)
        part = content[int(first) : int(last) + 1 if last else None]
        return httpx2.Response(206, headers=headers, content=part)

    def _manifest(self, manifest: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """As Swift gives it, which is not as it takes it."""
        found = list[dict[str, Any]]()
        for part in manifest:
            segment = self._at(part["path"])
            large = {"sub_slo": True} if segment and segment.manifest is not None else {}
            found.append(
                {
                    "name": part["path"],
                    "bytes": part["size_bytes"],
                    "hash": part["etag"] or "",
                    **large,
                }
            )
        return found

    def _content(self, stored: Stored) -> bytes:
        if stored.manifest is not None:
            parts = [self._at(part["path"]) for part in stored.manifest]
            assert None not in parts, "a segment of an object is gone"
            return b"".join(self._content(part) for part in parts if part is not None)
        if "x-object-manifest" in stored.meta:
            container, _, prefix = unquote(stored.meta["x-object-manifest"]).partition("/")
            objects = self.containers[container]
            return b"".join(
                objects[each].data for each in sorted(objects) if each.startswith(prefix)
            )
        return stored.data

    def _at(self, path: str) -> Stored | None:
        container, _, name = path.strip("/").partition("/")
        return self.containers.get(container, {}).get(name)

    def _linked(self, request: httpx2.Request, container: str, name: str) -> httpx2.Response:
        """A temporary URL, which a client has no token for."""
        asked = request.url.params
        keys = [
            *(value for key, value in self.account_meta.items() if "temp-url-key" in key),
            *self.container_meta.get(container, {}).values(),
        ]
        signed = f"GET\n{asked['temp_url_expires']}\n{request.url.path}".encode()
        good = {hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in keys}
        if asked["temp_url_sig"] not in good or int(asked["temp_url_expires"]) < time.time():
            return httpx2.Response(401)
        return self._object(request, container, name)


def _meta(request: httpx2.Request, prefix: str) -> dict[str, str]:
    return {key: value for key, value in request.headers.items() if key.startswith(prefix)}


def _dated(stored: Stored) -> dict[str, str]:
    return {
        "X-Timestamp": f"{stored.modified:.5f}",
        "Last-Modified": formatdate(stored.modified, usegmt=True),
    }


def _shown(name: str, stored: Stored) -> dict[str, Any]:
    """What a listing says; of a dynamic large object, that it is empty."""
    size, etag = len(stored.data), stored.etag
    if stored.manifest is not None:
        size = sum(part["size_bytes"] for part in stored.manifest)
    moment = datetime.fromtimestamp(stored.modified, UTC).replace(tzinfo=None).isoformat()
    return {"name": name, "bytes": size, "hash": etag, "last_modified": moment}
