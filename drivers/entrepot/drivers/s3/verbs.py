"""The requests of the S3 protocol that the driver makes, one method each.

Keys are whole ones, with the root directory. All raise Refused.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import aiohttp

from entrepot.core import Entry
from entrepot.drivers.s3 import answers
from entrepot.drivers.s3.answers import Page, Part
from entrepot.drivers.s3.body import Body
from entrepot.drivers.s3.client import Answer, Client, header
from entrepot.drivers.s3.errors import Refused
from entrepot.drivers.s3.options import S3Options

MARK = "x-amz-meta-entrepot-write"  # tells who wrote an object, when an answer was lost
DELETED_AT_ONCE = 1000  # keys, by the protocol
_EMPTY = Body(())


class Verbs:
    def __init__(self, client: Client, options: S3Options) -> None:
        self.client = client
        self.options = options
        self.root = f"{options.rootdirectory}/" if options.rootdirectory else ""
        self.conditional_complete = not options.regionendpoint  # AWS: documented; others: some
        self._new = _headers_of_new(options)

    async def head(self, key: str) -> Answer:
        return await self.client.call("HEAD", key)

    async def marked(self, key: str, mark: str) -> Answer | None:
        """The answer to HEAD, if the object there is the one that was written with `mark`.

        It tells whether a request whose answer was lost was done.
        """
        try:
            found = await self.head(key)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        return found if header(found, MARK) == mark else None

    def get(
        self, key: str, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self.client.stream(key, headers)

    async def get_small(self, key: str, start: int, stop: int) -> bytes:
        """Bytes [start, stop) of an object, or what there is of them, in memory."""
        wanted = {"range": f"bytes={start}-{stop - 1}"}
        answer = await self.client.call("GET", key, headers=wanted)
        return answer.body if answer.status == 206 else answer.body[start:stop]

    async def put(self, key: str, body: Body, *, mark: str = "", create: bool = False) -> Answer:
        headers = self._new | {"content-type": "application/octet-stream"}
        if mark:
            headers[MARK] = mark
        if create:
            headers["if-none-match"] = "*"
        return await self.client.call("PUT", key, headers=headers, body=body)

    async def copy(self, source: str, target: str, etag: str) -> Answer:
        headers = self._new | self._source(source, etag)
        answer = await self.client.call("PUT", target, headers=headers, works=True)
        answers.parsed(answer.body)
        return answer

    async def delete(self, key: str) -> None:
        try:
            await self.client.call("DELETE", key)
        except Refused as refused:
            if refused.status != 404 or refused.code == "NoSuchBucket":
                raise

    async def delete_many(self, keys: Sequence[str]) -> dict[str, Refused]:
        """Delete up to DELETED_AT_ONCE objects; gives those that are still there, and why."""
        content = answers.deletion(keys)
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        headers = {"content-md5": base64.b64encode(digest).decode()}
        answer = await self.client.call(
            "POST", None, query={"delete": ""}, headers=headers, body=Body([content]), works=True
        )
        return answers.failures_of(answer.body)

    async def page(
        self, prefix: str, *, after: str = "", delimiter: str = "", token: str = "", most: int = 0
    ) -> Page:
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix}
        if token:
            query["continuation-token"] = token
        elif after:
            query["start-after"] = after
        if delimiter:
            query["delimiter"] = delimiter
        if most:
            query["max-keys"] = str(most)
        return answers.page_of((await self.client.call("GET", None, query=query)).body)

    # -- multipart uploads --------------------------------------------------------------

    async def begin(self, key: str, mark: str) -> tuple[str, bool]:
        """A new multipart upload's id, and whether there may be another, of a lost answer."""
        headers = self._new | {"content-type": "application/octet-stream", MARK: mark}
        answer = await self.client.call("POST", key, query={"uploads": ""}, headers=headers)
        return answers.text_of(answers.parsed(answer.body), "UploadId"), answer.perhaps

    async def put_part(self, key: str, upload: str, number: int, body: Body) -> Part:
        query = {"partNumber": str(number), "uploadId": upload}
        answer = await self.client.call("PUT", key, query=query, body=body)
        return Part(number, header(answer, "ETag"), body.size)

    async def copy_part(
        self, source: str, etag: str, key: str, upload: str, part: Part, start: int
    ) -> Part:
        """Make a part of `part.size` bytes of another object, from `start` on."""
        query = {"partNumber": str(part.number), "uploadId": upload}
        headers = self._source(source, etag)
        headers["x-amz-copy-source-range"] = f"bytes={start}-{start + part.size - 1}"
        answer = await self.client.call("PUT", key, query=query, headers=headers, works=True)
        taken = answers.text_of(answers.parsed(answer.body), "ETag")
        return Part(part.number, taken, part.size)

    async def complete(
        self, key: str, upload: str, parts: Sequence[Part], *, create: bool = False
    ) -> Answer:
        headers = {"content-type": "application/xml"}
        if create:
            headers["if-none-match"] = "*"
        body = Body([answers.completion(parts)])
        answer = await self.client.call(
            "POST", key, query={"uploadId": upload}, headers=headers, body=body, works=True
        )
        answers.parsed(answer.body)
        return answer

    async def abort(self, key: str, upload: str) -> None:
        try:
            await self.client.call("DELETE", key, query={"uploadId": upload})
        except Refused as refused:
            if refused.status != 404 or refused.code == "NoSuchBucket":
                raise

    async def uploads(self, prefix: str) -> list[tuple[str, str]]:
        """Keys and ids of the multipart uploads below a prefix, a thousand at most."""
        query = {"uploads": "", "prefix": prefix}
        return answers.uploads_of((await self.client.call("GET", None, query=query)).body)

    def _source(self, key: str, etag: str) -> dict[str, str]:
        place = self.client.place
        quoted = place.path_of(key)[len(place.path) :]
        headers = {"x-amz-copy-source": f"/{self.options.bucket}/{quoted}"}
        if etag:
            headers["x-amz-copy-source-if-match"] = etag
        return headers


def entry_of(key: str, answer: Answer) -> Entry:
    """What the answer to HEAD says."""
    size = header(answer, "Content-Length")
    return Entry(key, int(size or 0), answers.date(header(answer, "Last-Modified")))


def _headers_of_new(options: S3Options) -> dict[str, str]:
    """Of every request that makes an object, or begins to."""
    headers: dict[str, str] = {}
    if options.encrypt:
        headers["x-amz-server-side-encryption"] = "aws:kms" if options.keyid else "AES256"
        if options.keyid:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = options.keyid
    if options.storageclass not in {"NONE", "STANDARD"}:
        headers["x-amz-storage-class"] = options.storageclass
    if options.objectacl != "private":  # the default; buckets without ACLs refuse to hear of any
        headers["x-amz-acl"] = options.objectacl
    return headers
