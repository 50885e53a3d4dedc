"""Google Cloud Storage's JSON API over HTTP, with faults where a test wants them."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from tests.drivers.gcs_fake_store import Object, RefusalError, Store, selected
from tests.drivers.gcs_keys import check_link

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next requests of a kind.

    `status` is answered instead of doing the work, or `after` it: then the answer is lost.
    0 breaks the connection. `bytes` are sent of a body that is read, or kept of a chunk.
    """

    kind: str
    status: int = 503
    times: int = 1
    skip: int = 0  # requests that go well before
    after: bool = False
    bytes: int | None = None
    stall: bool = False
    headers: dict[str, str] = field(default_factory=dict[str, str])
    reason: str = "backendError"
    message: str = "planned"
    reached: threading.Event = field(default_factory=threading.Event)  # when it stalls


class Fake:
    """A server for one bucket. With `needs_token` it accepts those in `tokens` alone."""

    def __init__(self) -> None:
        self.store = Store()
        self.faults: list[Fault] = []
        self.requests: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.open_requests = 0
        self.most_open = 0
        self.needs_token = False
        self.tokens: set[str] = set()
        self.tokens_given = 0
        self.token_error = ""
        self.token_seconds = 3600
        self.url = ""
        self.public_key: Any = None
        self.sign: Callable[[bytes], bytes] = bytes
        self._released = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def running(self) -> Generator[Fake, None, None]:
        """Serves in a thread of its own, so that other processes and blocking calls reach it."""
        started = threading.Event()
        loop = self._loop = asyncio.new_event_loop()
        stop = asyncio.Event()

        async def serve() -> None:
            self._released = asyncio.Event()
            app = web.Application(client_max_size=1 << 30)
            app.router.add_route("*", "/{path:.*}", self._answer)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            started.set()
            await stop.wait()
            self._released.set()
            await runner.cleanup()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
        thread.start()
        started.wait()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()

    def release(self) -> None:
        """Let requests that stall go on."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._released.set)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        kind = _kind(request)
        self.requests[kind] += 1
        self.headers.append(dict(request.headers))
        self.open_requests += 1
        self.most_open = max(self.most_open, self.open_requests)
        try:
            return await self._faulty(request, kind)
        except RefusalError as refusal:
            return _refused(request, refusal)
        finally:
            self.open_requests -= 1

    async def _faulty(self, request: web.Request, kind: str) -> web.StreamResponse:
        fault = self._fault(kind)
        if fault is not None and fault.stall:
            fault.reached.set()
            await self._released.wait()
        if fault is None:
            return await self._work(request, kind)
        if fault.bytes is not None and kind == "read":
            return await self._cut(request, fault.bytes)
        if fault.bytes is not None and kind == "chunk":
            session = self.store.sessions[request.query["upload_id"]]
            session.content += (await request.read())[: fault.bytes]
        if fault.after:
            await self._work(request, kind)
        if not fault.status:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        refusal = RefusalError(fault.status, fault.message, fault.reason)
        response = _refused(request, refusal)
        response.headers.update(fault.headers)
        return response

    def _fault(self, kind: str) -> Fault | None:
        for fault in self.faults:
            if fault.kind == kind and fault.times:
                if fault.skip:
                    fault.skip -= 1
                    return None
                fault.times -= 1
                return fault
        return None

    async def _work(self, request: web.Request, kind: str) -> web.StreamResponse:
        if kind == "token":
            if self.token_error:
                told = {"error": "invalid_grant", "error_description": self.token_error}
                return web.json_response(told, status=400)
            self.tokens_given += 1
            token = f"token-{self.tokens_given}"
            self.tokens.add(token)
            given = {"access_token": token, "expires_in": self.token_seconds}
            return web.json_response(given)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.needs_token and kind != "link" and token not in self.tokens:
            raise RefusalError(401, "Invalid Credentials", "authError")
        answer: web.StreamResponse = await getattr(self, f"_{kind}")(request)
        return answer

    # -- kinds of requests --------------------------------------------------------------

    async def _stat(self, request: web.Request) -> web.Response:
        return self._described(request, self.store.find(self._name(request)))

    async def _read(self, request: web.Request) -> web.Response:
        found = self.store.find(self._name(request), request.query.get("generation", ""))
        return _content(request, found)

    async def _link(self, request: web.Request) -> web.Response:
        check_link(request.method, str(request.url), self.public_key)
        return await self._read(request)

    async def _sign(self, request: web.Request) -> web.Response:
        """What Google's signer does, which is another host there."""
        content = base64.b64decode((await request.json())["payload"])
        signature = base64.b64encode(self.sign(content)).decode()
        return web.json_response({"keyId": "1", "signedBlob": signature})

    async def _cut(self, request: web.Request, size: int) -> web.StreamResponse:
        whole = await self._read(request)
        response = web.StreamResponse(status=whole.status, headers=whole.headers)
        body = whole.body
        assert isinstance(body, bytes)
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[:size])
        assert request.transport is not None
        request.transport.close()
        return response

    async def _list(self, request: web.Request) -> web.Response:
        self._check_bucket(request.path.split("/")[4])
        return _json(request, self.store.list(request.query))

    async def _delete(self, request: web.Request) -> web.Response:
        self.store.delete(self._name(request), request.query)
        return web.Response(status=204)

    async def _insert(self, request: web.Request) -> web.Response:
        resource, content = _parts(request.headers["Content-Type"], await request.read())
        return self._described(request, self.store.put(resource, content, request.query))

    async def _begin(self, request: web.Request) -> web.Response:
        token = self.store.begin(await request.json(), dict(request.query))
        location = f"{self.url}{request.path}?uploadType=resumable&upload_id={token}"
        return web.Response(headers={"Location": location})

    async def _chunk(self, request: web.Request) -> web.Response:
        token = request.query["upload_id"]
        extent = request.headers["Content-Range"].removeprefix("bytes ")
        crc32c = request.headers.get("X-Goog-Hash", "").removeprefix("crc32c=")
        done = self.store.send(token, extent, await request.read(), crc32c)
        if done is not None:
            fields = self.store.sessions[token].params.get("fields", "")
            return web.json_response(selected(done.resource(self.store.bucket), fields))
        held = len(self.store.sessions[token].content)
        return web.Response(status=308, headers={"Range": f"bytes=0-{held - 1}"} if held else {})

    _state = _chunk

    async def _cancel(self, request: web.Request) -> web.Response:
        self.store.cancel(request.query["upload_id"])
        raise AssertionError

    async def _compose(self, request: web.Request) -> web.Response:
        composed = self.store.compose(self._name(request), await request.json(), request.query)
        return self._described(request, composed)

    async def _rewrite(self, request: web.Request) -> web.Response:
        target = urllib.parse.unquote(request.rel_url.raw_path.split("/")[-1])
        return _json(request, self.store.rewrite(self._name(request), target, request.query))

    async def _batch(self, request: web.Request) -> web.Response:
        boundary = request.headers["Content-Type"].partition("boundary=")[2]
        parts = (await request.text()).split(f"--{boundary}")[1:-1]
        if len(parts) > 100:
            raise RefusalError(400, "Too many calls in the batch", "invalid")
        answers = [self._batched(part) for part in parts]
        text = "".join(f"--answers\r\n{answer}\r\n" for answer in answers) + "--answers--\r\n"
        return web.Response(
            text=text, headers={"Content-Type": "multipart/mixed; boundary=answers"}
        )

    def _batched(self, part: str) -> str:
        number = re.search(r"Content-ID: <(.*)>", part)
        line = re.search(r"DELETE (\S+) HTTP/1.1", part)
        assert number is not None
        assert line is not None
        name = urllib.parse.unquote(line[1].split("/")[-1])
        status, body = "204 No Content", ""
        fault = self._fault("batched")
        try:
            if fault is not None:
                raise RefusalError(fault.status, fault.message, fault.reason)
            self.store.delete(name, {})
        except RefusalError as refusal:
            status, body = f"{refusal.status} Refused", json.dumps(_error(refusal))
        return (
            f"Content-Type: application/http\r\nContent-ID: <response-{number[1]}>\r\n\r\n"
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\r\n{body}"
        )

    def _described(self, request: web.Request, found: Object) -> web.Response:
        return _json(request, found.resource(self.store.bucket))

    def _name(self, request: web.Request) -> str:
        """The object that a request names; a slash in it has to come escaped."""
        raw = request.rel_url.raw_path.split("/")
        bucket, name = (raw[1], "/".join(raw[2:])) if raw[1] != "storage" else (raw[4], raw[6])
        self._check_bucket(bucket)
        return urllib.parse.unquote(name)

    def _check_bucket(self, bucket: str) -> None:
        if bucket != self.store.bucket:
            raise RefusalError(404, "The specified bucket does not exist.", "notFound")


def _kind(request: web.Request) -> str:
    """One word for what a request wants."""
    path, query = request.rel_url.raw_path, request.query
    if "upload_id" in query:
        is_question = request.headers.get("Content-Range") == "bytes */*"
        return {"DELETE": "cancel"}.get(request.method, "state" if is_question else "chunk")
    if "uploadType" in query:
        return {"resumable": "begin", "multipart": "insert"}[query["uploadType"]]
    if not path.startswith("/storage/v1/b/"):
        known = {"/token": "token", "/batch/storage/v1": "batch", "/sign": "sign"}
        return known.get(path, "link")
    if request.method == "GET" and len(path.split("/")) == 7:
        return "read" if query.get("alt") == "media" else "stat"
    post = "compose" if path.endswith("/compose") else "rewrite"
    return {"POST": post, "DELETE": "delete", "GET": "list"}[request.method]


def _parts(kind: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """Metadata and content of a multipart/related body, cut where its boundary is found."""
    boundary = kind.partition("boundary=")[2].encode()
    _, head, content, *_ = (b"\r\n" + body).split(b"\r\n--" + boundary)
    return json.loads(head.partition(b"\r\n\r\n")[2]), content.partition(b"\r\n\r\n")[2]


def _content(request: web.Request, found: Object) -> web.Response:
    headers = {"X-Goog-Generation": str(found.generation)}
    wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
    if wanted is None:
        return web.Response(body=found.content, headers=headers)
    size = len(found.content)
    first, last = int(wanted[1]), min(int(wanted[2] or size), size - 1)
    if first >= size:
        return web.Response(status=416, headers=headers)
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return web.Response(status=206, body=found.content[first : last + 1], headers=headers)


def _json(request: web.Request, answer: dict[str, Any]) -> web.Response:
    return web.json_response(selected(answer, request.query.get("fields", "")))


def _refused(request: web.Request, refusal: RefusalError) -> web.Response:
    """Google answers in JSON, but in plain text where the object's bytes were asked for."""
    if request.query.get("alt") == "media":
        return web.Response(status=refusal.status, text=refusal.message)
    return web.json_response(_error(refusal), status=refusal.status)


def _error(refusal: RefusalError) -> dict[str, Any]:
    errors = [{"message": refusal.message, "domain": "global", "reason": refusal.reason}]
    return {"error": {"code": refusal.status, "message": refusal.message, "errors": errors}}
