"""A strict S3 server in this process, with the bad luck that no real one shows on cue."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from aiohttp import web
from tests.drivers.s3_fake_answers import completed, deleted, error, listed, times, tree_of

from entrepot.drivers.s3 import S3Options

BUCKET = "bucket"
SMALLEST = 16 * 1024  # bytes of a part; AWS has 5 MiB, which takes longer


@dataclass
class Stored:
    data: bytes
    etag: str
    meta: dict[str, str]
    headers: dict[str, str]  # of the request that began it
    modified: float = field(default_factory=times)


@dataclass
class Multipart:
    key: str
    headers: dict[str, str]
    parts: dict[int, tuple[str, bytes]] = field(default_factory=dict[int, tuple[str, bytes]])


@dataclass
class Fault:
    """What happens to some requests: a status with a code, or one of the words of `_serve`."""

    operation: str
    how: str | tuple[int, str]
    times: int = 1
    skip: int = 0


class S3Fake:
    """Refuses what AWS refuses. `counts` are its requests by operation."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Multipart] = {}
        self.counts: Counter[str] = Counter()
        self.requests: list[web.Request] = []
        self._behind: dict[str, int] | None = None
        self.unordered = False
        self.exact = False  # like RGW: all parts it was sent, or none
        self.endpoint = ""
        self.stuck = asyncio.Event()
        self._faults: list[Fault] = []

    def fail(
        self, operation: str, how: str | tuple[int, str], *, times: int = 1, skip: int = 0
    ) -> None:
        self._faults.append(Fault(operation, how, times, skip))

    def fall_behind(self) -> None:
        """Let listings show what there is now, whatever is stored or deleted from now on."""
        self._behind = self._sizes()

    def catch_up(self) -> None:
        self._behind = None

    def _sizes(self) -> dict[str, int]:
        return {key: len(stored.data) for key, stored in self.objects.items()}

    def heal(self) -> None:
        """Let no more requests fail."""
        self._faults.clear()

    def options(self, **more: Any) -> S3Options:
        given = {
            "bucket": BUCKET,
            "regionendpoint": self.endpoint,
            "accesskey": "AKFAKE",
            "secretkey": "very-secret",
        }
        small = {"chunksize": SMALLEST, "multipartcopychunksize": SMALLEST}
        return S3Options.model_validate(given | more).model_copy(update=small)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[S3Fake, None]:
        app = web.Application(client_max_size=1024**3)
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        self.endpoint = f"http://127.0.0.1:{port}"
        try:
            yield self
        finally:
            self.stuck.set()
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        bucket, _, key = unquote(request.raw_path.partition("?")[0])[1:].partition("/")
        operation = _operation(request, key)
        self.counts[operation] += 1
        self.requests.append(request)
        body = await request.read()
        how = self._fault(operation)
        if how == "stuck":
            await self.stuck.wait()
        if how in {"cut", "stuck"}:
            return self._cut(request)
        if isinstance(how, tuple):
            return error(*how)
        if bucket != BUCKET:
            return error(404, "NoSuchBucket")
        answer = self._answer(request, operation, key, body)
        if how == "lost":
            return self._cut(request)
        if how == "half":
            return await self._half(request, answer)
        return answer

    def _cut(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _half(self, request: web.Request, answer: web.Response) -> web.StreamResponse:
        assert isinstance(answer.body, bytes)
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_length = len(answer.body)
        await response.prepare(request)
        await response.write(answer.body[: len(answer.body) // 2])
        self._cut(request)
        return response

    def _fault(self, operation: str) -> str | tuple[int, str] | None:
        for fault in self._faults:
            if fault.operation in {operation, "*"} and fault.times:
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault.how
        return None

    def _answer(self, request: web.Request, operation: str, key: str, body: bytes) -> web.Response:
        _check_signed(request, body)
        answer: web.Response = getattr(self, f"_do_{operation}")(request, key, body)
        return answer

    # -- objects ------------------------------------------------------------------------

    def _do_head(self, request: web.Request, key: str, body: bytes) -> web.Response:
        found = self.objects.get(key)
        if found is None:
            return web.Response(status=404)
        return web.Response(headers=_headers(found) | {"Content-Length": str(len(found.data))})

    def _do_get(self, request: web.Request, key: str, body: bytes) -> web.Response:
        found = self.objects.get(key)
        if found is None:
            return error(404, "NoSuchKey")
        if request.headers.get("If-Match", found.etag) != found.etag:
            return error(412, "PreconditionFailed")
        wanted = request.http_range
        if "Range" not in request.headers:
            return web.Response(body=found.data, headers=_headers(found))
        start, stop = wanted.start or 0, min(wanted.stop or len(found.data), len(found.data))
        if start >= len(found.data):
            return error(416, "InvalidRange")
        given = {"Content-Range": f"bytes {start}-{stop - 1}/{len(found.data)}"}
        headers = _headers(found) | given
        return web.Response(status=206, body=found.data[start:stop], headers=headers)

    def _do_put(self, request: web.Request, key: str, body: bytes) -> web.Response:
        if request.headers.get("If-None-Match") == "*" and key in self.objects:
            return error(412, "PreconditionFailed")
        stored = self.store(key, body, dict(request.headers))
        return web.Response(headers={"ETag": stored.etag})

    def _do_copy(self, request: web.Request, key: str, body: bytes) -> web.Response:
        source = self._source(request)
        if isinstance(source, web.Response):
            return source
        stored = self.store(key, source.data, dict(request.headers))
        stored.meta = dict(source.meta)
        return completed("CopyObjectResult", ETag=stored.etag)

    def _do_delete(self, request: web.Request, key: str, body: bytes) -> web.Response:
        self.objects.pop(key, None)
        return web.Response(status=204)

    def _do_delete_many(self, request: web.Request, key: str, body: bytes) -> web.Response:
        if "Content-MD5" not in request.headers:
            return error(400, "InvalidRequest")
        keys = [one.text or "" for one in tree_of(body).iter("Key")]
        assert len(keys) <= 1000
        for one in keys:
            self.objects.pop(one, None)
        return deleted()

    def _do_list(self, request: web.Request, key: str, body: bytes) -> web.Response:
        shown = self._behind if self._behind is not None else self._sizes()
        return listed(shown, request.query, unordered=self.unordered)

    # -- multipart uploads --------------------------------------------------------------

    def _do_begin(self, request: web.Request, key: str, body: bytes) -> web.Response:
        upload = uuid.uuid4().hex
        self.uploads[upload] = Multipart(key, dict(request.headers))
        return completed("InitiateMultipartUploadResult", UploadId=upload)

    def _do_part(self, request: web.Request, key: str, body: bytes) -> web.Response:
        upload = self.uploads.get(request.query["uploadId"])
        if upload is None or upload.key != key:
            return error(404, "NoSuchUpload")
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        upload.parts[int(request.query["partNumber"])] = (etag, body)
        return web.Response(headers={"ETag": etag})

    def _do_copy_part(self, request: web.Request, key: str, body: bytes) -> web.Response:
        source = self._source(request)
        if isinstance(source, web.Response):
            return source
        ends = request.headers["x-amz-copy-source-range"].removeprefix("bytes=").split("-")
        answer = self._do_part(request, key, source.data[int(ends[0]) : int(ends[1]) + 1])
        if answer.status != 200:
            return answer
        return completed("CopyPartResult", ETag=answer.headers["ETag"])

    def _do_complete(self, request: web.Request, key: str, body: bytes) -> web.Response:
        upload = self.uploads.get(request.query["uploadId"])
        if upload is None:
            return error(404, "NoSuchUpload")
        if request.headers.get("If-None-Match") == "*" and key in self.objects:
            return error(412, "PreconditionFailed")
        joined: list[bytes] = []
        listed = tree_of(body).findall("Part")
        if self.exact and len(listed) != len(upload.parts):
            return error(400, "InvalidPart")
        for one in listed:
            etag, data = upload.parts.get(int(one.findtext("PartNumber") or 0), ("", b""))
            if etag != one.findtext("ETag"):
                return error(400, "InvalidPart")
            joined.append(data)
        if any(len(data) < SMALLEST for data in joined[:-1]):
            return error(400, "EntityTooSmall")
        del self.uploads[request.query["uploadId"]]
        stored = self.store(key, b"".join(joined), upload.headers)
        return completed("CompleteMultipartUploadResult", ETag=stored.etag)

    def _do_abort(self, request: web.Request, key: str, body: bytes) -> web.Response:
        if self.uploads.pop(request.query["uploadId"], None) is None:
            return error(404, "NoSuchUpload")
        return web.Response(status=204)

    def _do_list_uploads(self, request: web.Request, key: str, body: bytes) -> web.Response:
        root = ET.Element("ListMultipartUploadsResult")
        for id_, upload in self.uploads.items():
            if upload.key.startswith(request.query.get("prefix", "")):
                element = ET.SubElement(root, "Upload")
                ET.SubElement(element, "Key").text = upload.key
                ET.SubElement(element, "UploadId").text = id_
        return web.Response(body=ET.tostring(root))

    def store(self, key: str, data: bytes, headers: dict[str, str]) -> Stored:
        lower = {name.lower(): value for name, value in headers.items()}
        meta = {name: text for name, text in lower.items() if name.startswith("x-amz-meta-")}
        stored = Stored(data, f'"{uuid.uuid4().hex}"', meta, lower)
        self.objects[key] = stored
        return stored

    def _source(self, request: web.Request) -> Stored | web.Response:
        bucket, _, key = unquote(request.headers["x-amz-copy-source"])[1:].partition("/")
        found = self.objects.get(key)
        if bucket != BUCKET or found is None:
            return error(404, "NoSuchKey")
        if request.headers.get("x-amz-copy-source-if-match", found.etag) != found.etag:
            return error(412, "PreconditionFailed")
        return found


def _operation(request: web.Request, key: str) -> str:
    query, method = request.query, request.method
    copies = "x-amz-copy-source" in request.headers
    if "uploads" in query:
        return "begin" if method == "POST" else "list_uploads"
    if "uploadId" in query:
        part = "copy_part" if copies else "part"
        return {"PUT": part, "POST": "complete", "DELETE": "abort"}[method]
    if not key:
        return "delete_many" if "delete" in query else "list"
    return "copy" if copies else method.lower()


def _check_signed(request: web.Request, body: bytes) -> None:
    payload = request.headers["x-amz-content-sha256"]
    assert payload in {"UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()}
    assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKFAKE/")


def _headers(stored: Stored) -> dict[str, str]:
    modified = formatdate(stored.modified, usegmt=True)
    return {"ETag": stored.etag, "Last-Modified": modified} | stored.meta
