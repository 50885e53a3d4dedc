"""A strict little Azure Blob Storage in this process, that fails on cue.

It keeps to what Microsoft's REST reference says of the requests that the driver makes, also
where the emulator does not: blocks are dropped when another list is committed, conditions are
checked, a source must be readable, tokens travel by TLS only.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from aiohttp import web

CONTAINER = "registry"
TOKEN = "token-of-the-test"
_ETAGS = itertools.count(1)


@dataclass(slots=True)
class Blob:
    content: bytes
    blocks: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    meta: dict[str, str] = field(default_factory=dict[str, str])
    etag: str = field(default_factory=lambda: f'"0x{next(_ETAGS):X}"')
    modified: str = field(default_factory=lambda: formatdate(usegmt=True))

    @property
    def headers(self) -> dict[str, str]:
        return {"ETag": self.etag, "Last-Modified": self.modified, **self.meta}


@dataclass(slots=True)
class Fault:
    """What happens to requests: an answer ("503 ServerBusy"), or one of these.

    `stuck` waits for the release, `halt` too, in front of the body; `cut` ends in its middle;
    `lost` does all and answers nothing; `twice` does it again; `foreign` is an answer of
    somebody else.
    """

    when: Callable[[web.Request], bool]
    do: str
    times: int = 1
    met: int = 0


class Refused(Exception):  # noqa: N818 - an answer
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class FakeAzure:
    def __init__(self) -> None:
        self.blobs: dict[str, Blob] = {}
        self.staged: dict[str, dict[str, bytes]] = {}
        self.faults: list[Fault] = []
        self.log: list[str] = []  # methods, with the operation and what Azure's codes call it
        self.url = ""
        self.delegates = True  # gives user delegation keys
        self.copies = True  # reads sources
        self.date: str | None = None
        self.released = asyncio.Event()

    def fail(self, method: str, do: str, *, comp: str = "", times: int = 1) -> Fault:
        """The next requests of that kind fail."""

        def when(request: web.Request) -> bool:
            return request.method == method and request.query.get("comp", "") == comp

        fault = Fault(when, do, times)
        self.faults.append(fault)
        return fault

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        operation = request.query.get("comp", "")
        self.log.append(f"{request.method} {operation}".strip())
        fault = next((f for f in self.faults if f.met < f.times and f.when(request)), None)
        if fault is not None:
            fault.met += 1
            if fault.do == "stuck":
                await self.released.wait()
            if fault.do == "foreign":
                return web.Response(body=b"<html><body>Please log in</body></html>")
            if fault.do[0].isdigit():
                status, _, code = fault.do.partition(" ")
                return self._error(request, int(status), code)
        try:
            if fault is not None and fault.do == "twice":
                self._answer(request, body)
            answer = self._answer(request, body)
        except Refused as refused:
            answer = self._error(request, refused.status, refused.code)
        answer.headers["x-ms-request-id"] = "a-request"
        if fault is not None and fault.do == "lost":
            self._drop(request)
        if fault is not None and fault.do in {"cut", "halt"}:
            return await self._cut(request, answer, waits=fault.do == "halt")
        return answer

    def _drop(self, request: web.Request) -> None:
        assert request.transport is not None
        request.transport.abort()

    async def _cut(
        self, request: web.Request, answer: web.Response, *, waits: bool
    ) -> web.StreamResponse:
        assert isinstance(answer.body, bytes)
        begun = web.StreamResponse(status=answer.status, headers=answer.headers)
        begun.content_length = len(answer.body)
        await begun.prepare(request)
        if waits:
            await self.released.wait()
        await begun.write(answer.body[: len(answer.body) // 2])
        self._drop(request)
        return begun

    def _error(self, request: web.Request, status: int, code: str) -> web.Response:
        headers = {"x-ms-error-code": code} if code else {}
        if self.date is not None:
            headers["Date"] = self.date
        if status == 503:
            headers["Retry-After"] = "0"
        body = f"<Error><Code>{code}</Code></Error>".encode()
        return web.Response(status=status, headers=headers, body=body)

    def _answer(self, request: web.Request, body: bytes) -> web.Response:
        self._authorize(request)
        path = unquote(urlsplit(request.raw_path).path)
        name = path.removeprefix(f"/{CONTAINER}/")
        comp = request.query.get("comp", "")
        if comp == "userdelegationkey":
            return self._delegation_key()
        if comp == "list":
            return self._list(request)
        if comp == "batch":
            raise Refused(501, "NotImplemented")
        if request.method == "PUT":
            return self._put(request, name, comp, body)
        blob = self.blobs.get(name)
        if blob is None:
            raise Refused(404, "BlobNotFound")
        if request.headers.get("If-Match", blob.etag) != blob.etag:
            raise Refused(412, "ConditionNotMet")
        if request.method == "DELETE":
            del self.blobs[name]
            return web.Response(status=202)
        return self._block_list(blob) if comp == "blocklist" else self._get(request, blob)

    def _authorize(self, request: web.Request) -> None:
        kind, _, rest = request.headers.get("Authorization", "").partition(" ")
        if kind == "Bearer":
            assert request.secure, "a token without TLS"
            if rest == TOKEN:
                return
        elif kind == "SharedKey" and request.headers.get("x-ms-date"):
            return
        raise Refused(403, "AuthenticationFailed")

    def _put(self, request: web.Request, name: str, comp: str, body: bytes) -> web.Response:
        old = self.blobs.get(name)
        if comp == "block":
            data = self._source(request) if "x-ms-copy-source" in request.headers else body
            self.staged.setdefault(name, {})[request.query["blockid"]] = data
            return web.Response(status=201)
        if request.headers.get("If-None-Match") == "*" and old is not None:
            raise Refused(409, "BlobAlreadyExists")
        expected = request.headers.get("If-Match")
        if expected is not None and (old is None or old.etag != expected):
            raise Refused(412, "ConditionNotMet")
        meta = {k: v for k, v in request.headers.items() if k.lower().startswith("x-ms-meta-")}
        if comp == "blocklist":
            blocks = self._listed(name, old, body)
            new = Blob(b"".join(data for _, data in blocks), blocks, meta)
        elif "x-ms-copy-source" in request.headers:
            assert request.headers["x-ms-requires-sync"] == "true"
            new = Blob(self._source(request), meta=meta)
        else:
            assert request.headers["x-ms-blob-type"] == "BlockBlob"
            new = Blob(body, meta=meta)
        self.staged.pop(name, None)
        self.blobs[name] = new
        return web.Response(status=201, headers=new.headers)

    def _listed(self, name: str, old: Blob | None, body: bytes) -> list[tuple[str, bytes]]:
        known = dict(old.blocks if old else []) | self.staged.get(name, {})
        ids = [element.text or "" for element in ET.fromstring(body)]
        if len({len(block_id) for block_id in ids}) > 1 or not known.keys() >= set(ids):
            raise Refused(400, "InvalidBlockList")
        return [(block_id, known[block_id]) for block_id in ids]

    def _source(self, request: web.Request) -> bytes:
        parts = urlsplit(request.headers["x-ms-copy-source"])
        readable = "sig=" in parts.query or request.headers.get(
            "x-ms-copy-source-authorization"
        ) == (f"Bearer {TOKEN}")
        if not self.copies or not readable:
            raise Refused(403, "CannotVerifyCopySource")
        blob = self.blobs.get(unquote(parts.path).removeprefix(f"/{CONTAINER}/"))
        if blob is None:
            raise Refused(404, "CannotVerifyCopySource")
        if request.headers["x-ms-source-if-match"] != blob.etag:
            raise Refused(412, "SourceConditionNotMet")
        first, last = 0, len(blob.content) - 1
        if "x-ms-source-range" in request.headers:
            first, last = _range(request.headers["x-ms-source-range"], len(blob.content))
        return blob.content[first : last + 1]

    def _get(self, request: web.Request, blob: Blob) -> web.Response:
        wanted = request.headers.get("x-ms-range")
        if request.method == "HEAD" or wanted is None:
            return web.Response(status=200, headers=blob.headers, body=blob.content)
        first, last = _range(wanted, len(blob.content))
        if first >= len(blob.content):
            raise Refused(416, "InvalidRange")
        return web.Response(status=206, headers=blob.headers, body=blob.content[first : last + 1])

    def _block_list(self, blob: Blob) -> web.Response:
        blocks = "".join(
            f"<Block><Name>{name}</Name><Size>{len(data)}</Size></Block>"
            for name, data in blob.blocks
        )
        body = f"<BlockList><CommittedBlocks>{blocks}</CommittedBlocks></BlockList>".encode()
        headers = blob.headers | {"x-ms-blob-content-length": str(len(blob.content))}
        return web.Response(headers=headers, body=body)

    def _list(self, request: web.Request) -> web.Response:
        if "startFrom" in request.query:
            raise Refused(400, "InvalidHeaderValue")  # as a service that is older
        prefix, marker = request.query.get("prefix", ""), request.query.get("marker", "")
        names = sorted(n for n in self.blobs if n.startswith(prefix) and n >= marker)
        page, rest = (
            names[: int(request.query["maxresults"])],
            names[int(request.query["maxresults"]) :],
        )
        items = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties>"
            f"<Last-Modified>{self.blobs[name].modified}</Last-Modified>"
            f"<Content-Length>{len(self.blobs[name].content)}</Content-Length>"
            "</Properties></Blob>"
            for name in page
        )
        following = f"<NextMarker>{escape(rest[0])}</NextMarker>" if rest else "<NextMarker/>"
        body = f"<EnumerationResults><Blobs>{items}</Blobs>{following}</EnumerationResults>"
        return web.Response(body=body.encode())

    def _delegation_key(self) -> web.Response:
        if not self.delegates:
            raise Refused(403, "AuthorizationPermissionMismatch")
        fields = {
            "SignedOid": "oid", "SignedTid": "tid", "SignedStart": "2026-01-01T00:00:00Z",
            "SignedExpiry": "2026-01-02T00:00:00Z", "SignedService": "b",
            "SignedVersion": "2021-12-02", "Value": "c2VjcmV0LWtleQ==",
        }  # fmt: skip
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        body = f'<?xml version="1.0"?><UserDelegationKey>{inner}</UserDelegationKey>'
        return web.Response(body=body.encode(), content_type="application/xml")


def _range(text: str, size: int) -> tuple[int, int]:
    first, _, last = text.removeprefix("bytes=").partition("-")
    return int(first), min(int(last), size - 1) if last else size - 1


@contextlib.asynccontextmanager
async def fake_azure(tls: object = None) -> AsyncGenerator[FakeAzure, None]:
    """The service at `url`, which ends with the context."""
    fake = FakeAzure()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)  # type: ignore[arg-type]
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield fake
    finally:
        fake.released.set()
        await runner.cleanup()
