"""An imitation of OSS that refuses what OSS's reference says it refuses.

It shows that a client speaks OSS's dialect as its reference describes it, not that Alibaba
accepts it. Started as a program, it serves until it is ended:

    python oss_fake.py PORT [ACCESSKEYID ACCESSKEYSECRET REGION]
"""

from __future__ import annotations

import base64
import hashlib
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from ipaddress import ip_address
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

import httpx2
import uvicorn
from oss_signatures import Account, Signed, verify
from oss_store import Bucket, Refusal, Stored, joined, stored
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

KIB = 1024
MIB = 1024 * KIB
ACCOUNT = Account("testkey", "testsecret")
REGION = "cn-test"
_KEPT = ("content-type", "content-encoding", "cache-control", "x-oss-meta-", "x-oss-server-side")
_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


@dataclass
class Seen:
    """One request as it came in, for tests and for what is done with it."""

    method: str
    bucket: str
    name: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def alone(self) -> bool:
        return self.headers.get("x-oss-forbid-overwrite") == "true"

    @property
    def kept(self) -> dict[str, str]:
        """Headers that an object is stored with."""
        chosen = self.headers.items()
        return {name: value for name, value in chosen if name.startswith(_KEPT)}


@dataclass
class Fault:
    """What is answered instead, as often as it says, to the requests that it fits.

    Without a status the request is done and its answer lost, where there is no connection.
    """

    fits: Callable[[Seen], bool]
    status: int = 0
    code: str = ""
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict[str, str])


class OssFake:
    """The service: an ASGI application. `seen` are the requests that it took, in order."""

    def __init__(self, *accounts: Account, region: str = REGION) -> None:
        self.accounts = list(accounts or (ACCOUNT,))
        self.region = region
        self.buckets: dict[str, Bucket] = {}
        self.elsewhere: dict[str, str] = {}  # buckets of other regions, and their endpoints
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.page = 1000  # entries of a listing at most
        self.copied = 1024 * MIB  # bytes that one request copies at most
        self.least = 100 * KIB  # bytes of a part that is not the last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an ASGI application."""
        request = Request(scope, receive)
        path, query = scope["raw_path"].decode(), scope["query_string"].decode()
        headers, body = dict(request.headers), await request.body()
        answer = self.answer(request.method, path, query, headers, body)
        await answer(scope, receive, send)

    @property
    def transport(self) -> httpx2.MockTransport:
        """In this process, without a connection."""

        def handle(request: httpx2.Request) -> httpx2.Response:
            path, _, query = request.url.raw_path.decode().partition("?")
            headers = {name.lower(): value for name, value in request.headers.items()}
            answer = self.answer(request.method, path, query, headers, request.content)
            if (fault := self._fault(self.seen[-1])) is not None and not fault.status:
                fault.times -= 1
                raise httpx2.ReadError("the line is cut", request=request)
            body = httpx2.ByteStream(bytes(answer.body))
            named = [(name.decode(), value.decode()) for name, value in answer.raw_headers]
            return httpx2.Response(answer.status_code, headers=named, stream=body)

        return httpx2.MockTransport(handle)

    def answer(
        self, method: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> Response:
        """The answer to one request; path and query are as they were sent."""
        try:
            split = [pair.partition("=") for pair in query.split("&") if pair]
            pairs = [(name, value) for name, _, value in split]
            seen = _seen(method, path, pairs, headers, body)
            self._admit(seen, pairs)
            if not seen.bucket:
                raise Refusal(405, "MethodNotAllowed", "The service itself is not imitated.")
            answer = self._object(seen) if seen.name else self._bucket(seen)
        except Refusal as refusal:
            answer = _refused(refusal, head=method == "HEAD")
        answer.headers["x-oss-request-id"] = uuid.uuid4().hex[:24].upper()
        answer.headers["server"] = "AliyunOSS"
        return answer

    def _admit(self, seen: Seen, query: list[tuple[str, str]]) -> None:
        """Raises Refusal: if the request is not to be looked at."""
        self.seen.append(seen)
        fault = self._fault(seen)
        if fault is not None and fault.status:
            fault.times -= 1
            raise Refusal(fault.status, fault.code or "Fault", "on cue", **fault.headers)
        signed = Signed(seen.method, seen.bucket, seen.name, query, seen.headers)
        verify(signed, self.accounts, self.region)
        if seen.bucket in self.elsewhere:
            message = (
                "The bucket you are attempting to access must be addressed using the specified "
                "endpoint. Please send all future requests to this endpoint."
            )
            raise Refusal(403, "AccessDenied", message, Endpoint=self.elsewhere[seen.bucket])
        if seen.method in {"PUT", "POST"} and "content-length" not in seen.headers:
            raise Refusal(411, "MissingContentLength")
        if "content-md5" in seen.headers:
            digest = hashlib.md5(seen.body, usedforsecurity=False).digest()
            if base64.b64encode(digest).decode() != seen.headers["content-md5"]:
                raise Refusal(400, "InvalidDigest", "The Content-MD5 you specified is invalid.")
        _check_encryption(seen.headers)

    def _fault(self, seen: Seen) -> Fault | None:
        return next((each for each in self.faults if each.times and each.fits(seen)), None)

    # -- buckets ------------------------------------------------------------------------

    def _bucket(self, seen: Seen) -> Response:
        if seen.method == "PUT" and not seen.query:
            self.buckets.setdefault(seen.bucket, Bucket())
            return Response()
        bucket = self._found(seen)
        if seen.method == "DELETE" and not seen.query:
            if bucket.objects or bucket.uploads:
                raise Refusal(409, "BucketNotEmpty", "The bucket you tried to delete is not empty.")
            del self.buckets[seen.bucket]
            return Response(status_code=204)
        if seen.method == "POST" and "delete" in seen.query:
            return _delete_many(bucket, seen)
        if seen.method != "GET":
            raise Refusal(405, "MethodNotAllowed")
        if "versioning" in seen.query:
            return _xml("VersioningConfiguration", _of(Status=bucket.versioning or None))
        if "uploads" in seen.query:
            return _uploads(bucket, seen)
        if seen.query.get("list-type") == "2":
            return self._list(bucket, seen)
        raise Refusal(501, "NotImplemented", "this imitation lists by version 2 only")

    def _found(self, seen: Seen) -> Bucket:
        if seen.bucket not in self.buckets:
            message = "The specified bucket does not exist."
            raise Refusal(404, "NoSuchBucket", message, BucketName=seen.bucket)
        return self.buckets[seen.bucket]

    def _list(self, bucket: Bucket, seen: Seen) -> Response:
        asked = seen.query
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        after = asked.get("start-after", "")
        if "continuation-token" in asked:
            after = base64.b64decode(asked["continuation-token"]).decode()
        most = min(int(asked.get("max-keys", "100")), self.page)
        items, last, truncated, folder = list[str](), "", False, ""
        for name in bucket.names(prefix, after):
            if folder and name.startswith(folder):
                last = name
                continue
            if len(items) == most:
                truncated = True
                break
            end = name.find(delimiter, len(prefix)) if delimiter else -1
            folder, last = name[: end + 1] if end >= 0 else "", name
            shown = {"Prefix": _shown(folder, asked)} if folder else None
            entry = bucket.objects[name]
            items.append(
                f"<CommonPrefixes>{_of(**shown)}</CommonPrefixes>"
                if shown
                else f"<Contents>{_entry(_shown(name, asked), entry)}</Contents>"
            )
        token = base64.b64encode(last.encode()).decode() if truncated else None
        about = _of(
            Name=seen.bucket,
            Prefix=_shown(prefix, asked),
            MaxKeys=str(most),
            Delimiter=_shown(delimiter, asked),
            EncodingType=asked.get("encoding-type"),
            IsTruncated=str(truncated).lower(),
            KeyCount=str(len(items)),
            NextContinuationToken=token,
        )
        return _xml("ListBucketResult", about + "".join(items))

    # -- objects ------------------------------------------------------------------------

    def _object(self, seen: Seen) -> Response:
        bucket = self._found(seen)
        if "uploadId" in seen.query:
            return self._part(bucket, seen)
        if seen.method == "POST" and "uploads" in seen.query:
            id_ = bucket.begin(seen.name, seen.kept)
            about = _of(Bucket=seen.bucket, Key=seen.name, UploadId=id_)
            return _xml("InitiateMultipartUploadResult", about)
        if seen.method == "PUT":
            return self._put(bucket, seen)
        if seen.method == "DELETE":
            bucket.delete(seen.name)
            return Response(status_code=204)
        if seen.method in {"GET", "HEAD"}:
            return _get(bucket.get(seen.name), seen)
        raise Refusal(405, "MethodNotAllowed")

    def _put(self, bucket: Bucket, seen: Seen) -> Response:
        if "x-oss-copy-source" not in seen.headers:
            made = stored(seen.body, seen.kept)
            bucket.put(seen.name, made, alone=seen.alone)
            return Response(headers={"ETag": made.etag})
        source = self._source(seen)
        if len(source.data) > self.copied:
            message = "The copy source is larger than the maximum allowable size: 1 GB."
            raise Refusal(400, "EntityTooLarge", message)
        encryption = {name: value for name, value in seen.kept.items() if "encryption" in name}
        kept = {name: value for name, value in source.headers.items() if "encryption" not in name}
        copied = Stored(source.data, source.etag, kept | encryption)
        bucket.put(seen.name, copied, alone=seen.alone)
        about = _of(ETag=copied.etag, LastModified=_iso(copied.modified))
        return _xml("CopyObjectResult", about)

    def _source(self, seen: Seen) -> Stored:
        """What is copied. Raises Refusal: if it is not there, or another version by now."""
        place = unquote(seen.headers["x-oss-copy-source"]).partition("?")[0]
        name, _, key = place.lstrip("/").partition("/")
        if name not in self.buckets:
            raise Refusal(404, "NoSuchBucket", BucketName=name)
        source = self.buckets[name].get(key)
        if seen.headers.get("x-oss-copy-source-if-match", source.etag) != source.etag:
            message = "At least one of the pre-conditions you specified did not hold."
            raise Refusal(412, "PreconditionFailed", message)
        return source

    def _part(self, bucket: Bucket, seen: Seen) -> Response:
        id_ = seen.query["uploadId"]
        upload = bucket.upload(seen.name, id_)
        if seen.method == "GET":
            return _parts(upload.parts, seen)
        if seen.method == "DELETE":
            del bucket.uploads[id_]
            return Response(status_code=204)
        if seen.method == "POST":
            bucket.check_alone(seen.name, alone=seen.alone)
            made = joined(upload, _chosen(seen.body), self.least)
            bucket.put(seen.name, made, alone=seen.alone)
            del bucket.uploads[id_]
            about = _of(Bucket=seen.bucket, Key=seen.name, ETag=made.etag)
            return _xml("CompleteMultipartUploadResult", about)
        number = int(seen.query.get("partNumber", "0"))
        if not 1 <= number <= 10_000:
            raise Refusal(400, "InvalidArgument", "Part number must be between 1 and 10000.")
        if "x-oss-copy-source" not in seen.headers:
            part = upload.parts[number] = stored(seen.body, {})
            return Response(headers={"ETag": part.etag})
        data, wanted = self._source(seen).data, seen.headers.get("x-oss-copy-source-range", "")
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            if int(last) >= len(data):
                raise Refusal(416, "InvalidRange", "The requested range cannot be satisfied.")
            data = data[int(first) : int(last) + 1]
        part = upload.parts[number] = stored(data, {})
        return _xml("CopyPartResult", _of(ETag=part.etag, LastModified=_iso(part.modified)))


def _seen(
    method: str, path: str, query: list[tuple[str, str]], headers: dict[str, str], body: bytes
) -> Seen:
    """Which bucket and object it is about: by the host's name, or by the path of an address."""
    name = unquote(path)[1:]
    host = headers["host"].partition(":")[0]
    try:
        ip_address(host)
        bucket, _, name = name.partition("/")
    except ValueError:
        bucket = host.partition(".")[0]
    asked = {unquote(key): unquote(value) for key, value in query}
    return Seen(method, bucket, name, asked, headers, body)


def _check_encryption(headers: Mapping[str, str]) -> None:
    method = headers.get("x-oss-server-side-encryption")
    if method not in {None, "AES256", "KMS", "SM4"}:
        raise Refusal(400, "InvalidEncryptionAlgorithmError", "The encryption is not supported.")
    if "x-oss-server-side-encryption-key-id" in headers and method != "KMS":
        raise Refusal(400, "InvalidArgument", "A key id is for KMS only.")


def _get(entry: Stored, seen: Seen) -> Response:
    headers = {
        **entry.headers,
        "ETag": entry.etag,
        "Last-Modified": formatdate(entry.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "x-oss-object-type": entry.kind,
    }
    _check_conditions(entry, seen.headers)
    data, status = entry.data, 200
    wanted = seen.headers.get("range", "")
    if wanted.startswith("bytes=") and seen.method == "GET":
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(len(data) - int(last), 0)
        end = min(int(last), len(data) - 1) if first and last else len(data) - 1
        standard = seen.headers.get("x-oss-range-behavior") == "standard"
        if start >= len(data) or (last and first and int(last) < start):
            if standard:
                raise Refusal(416, "InvalidRange", "The requested range cannot be satisfied.")
        elif standard or not last or int(last) < len(data):
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            data, status = data[start : end + 1], 206
    if seen.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(len(data))})
    return Response(data, status, headers)


def _check_conditions(entry: Stored, headers: Mapping[str, str]) -> None:
    match, none, since, before = (headers.get(name) for name in _CONDITIONS)
    modified = int(entry.modified)
    if match is not None and match != entry.etag:
        raise Refusal(412, "PreconditionFailed", "If-Match does not hold.")
    if before is not None and parsedate_to_datetime(before).timestamp() < modified:
        raise Refusal(412, "PreconditionFailed", "If-Unmodified-Since does not hold.")
    if none is not None and none in {entry.etag, "*"}:
        raise Refusal(304, "NotModified")
    if since is not None and parsedate_to_datetime(since).timestamp() >= modified:
        raise Refusal(304, "NotModified")


def _delete_many(bucket: Bucket, seen: Seen) -> Response:
    if "content-md5" not in seen.headers:
        raise Refusal(400, "MissingArgument", "Missing Some Required Arguments: Content-MD5.")
    try:
        root = ET.fromstring(seen.body)
    except ET.ParseError:
        raise Refusal(400, "MalformedXML") from None
    names = [one.findtext("Key", "") for one in root.findall("Object")]
    if not 0 < len(names) <= 1000:
        raise Refusal(400, "MalformedXML", "The XML you provided was not well-formed.")
    for name in names:
        bucket.delete(name)
    if root.findtext("Quiet") == "true":
        return Response()
    encoding = _of(EncodingType=seen.query.get("encoding-type"))
    deleted = [f"<Deleted>{_of(Key=_shown(name, seen.query))}</Deleted>" for name in names]
    return _xml("DeleteResult", encoding + "".join(deleted))


def _uploads(bucket: Bucket, seen: Seen) -> Response:
    asked = seen.query
    found = sorted(
        (upload.name, id_)
        for id_, upload in bucket.uploads.items()
        if upload.name.startswith(asked.get("prefix", ""))
    )
    listed = "".join(
        f"<Upload>{_of(Key=_shown(name, asked), UploadId=id_)}</Upload>" for name, id_ in found
    )
    about = _of(EncodingType=asked.get("encoding-type"), IsTruncated="false")
    return _xml("ListMultipartUploadsResult", about + listed)


def _parts(parts: Mapping[int, Stored], seen: Seen) -> Response:
    after = int(seen.query.get("part-number-marker", "0"))
    most = int(seen.query.get("max-parts", "1000"))
    numbers = sorted(number for number in parts if number > after)
    shown = numbers[:most]
    listed = "".join(
        f"<Part>{_of(PartNumber=str(number), ETag=parts[number].etag)}"
        f"{_of(Size=str(len(parts[number].data)))}</Part>"
        for number in shown
    )
    about = _of(
        IsTruncated=str(len(numbers) > most).lower(),
        NextPartNumberMarker=str(shown[-1] if shown else after),
    )
    return _xml("ListPartsResult", about + listed)


def _chosen(body: bytes) -> list[tuple[int, str]]:
    try:
        root = ET.fromstring(body)
    except ET.ParseError:
        raise Refusal(400, "MalformedXML") from None
    return [
        (int(one.findtext("PartNumber", "0")), one.findtext("ETag", ""))
        for one in root.findall("Part")
    ]


def _entry(shown: str, entry: Stored) -> str:
    return _of(
        Key=shown,
        LastModified=_iso(entry.modified),
        ETag=entry.etag,
        Type=entry.kind,
        Size=str(len(entry.data)),
        StorageClass="Standard",
    )


def _shown(name: str, asked: Mapping[str, str]) -> str:
    return quote(name, safe="") if asked.get("encoding-type") == "url" else name


def _iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(moment))


def _of(**fields: str | None) -> str:
    found = list[str]()
    for name, value in fields.items():
        if value is not None:
            element = ET.Element(name)
            element.text = value
            found.append(ET.tostring(element, encoding="unicode"))
    return "".join(found)


def _xml(root: str, content: str, status: int = 200) -> Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?><{root}>{content}</{root}>'
    return Response(text, status, media_type="application/xml")


def _refused(refusal: Refusal, *, head: bool) -> Response:
    about = _of(
        Code=refusal.code,
        Message=refusal.message,
        RequestId="5C3D9175B6FC201293AD****",
        HostId="oss.test",
        **{name: value for name, value in refusal.fields.items() if name[0].isupper()},
    )
    answer = _xml("Error", about, refusal.status)
    for name, value in refusal.fields.items():
        if not name[0].isupper():
            answer.headers[name.replace("_", "-")] = value
    if head or refusal.status == 304:
        said = base64.b64encode(bytes(answer.body)).decode()
        return Response(status_code=refusal.status, headers={"x-oss-err": said})
    return answer


# -- serving ----------------------------------------------------------------------------


@contextmanager
def serving(fake: OssFake) -> Generator[str, None, None]:
    """The imitation at a loopback port, in a thread; gives the address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = _server(fake)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        host, port = listener.getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            server.should_exit = True
            thread.join()


def _server(fake: OssFake, port: int = 0) -> uvicorn.Server:
    config = uvicorn.Config(
        *(fake, "127.0.0.1", port),
        lifespan="off",
        ws="none",
        log_level="error",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


if __name__ == "__main__":
    port, *rest = sys.argv[1:]
    account = Account(rest[0], rest[1]) if rest else ACCOUNT
    _server(OssFake(account, region=rest[2] if rest else REGION), int(port)).run()
