"""The requests of OSS that the driver makes, one method each.

Names are whole ones, with the root directory. All raise Refused.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

import httpx2

from entrepot.core import Entry
from entrepot_oss import answers
from entrepot_oss.answers import Page, Part
from entrepot_oss.client import Answer, Client, Request
from entrepot_oss.errors import Refused
from entrepot_oss.options import OssOptions

DELETED_AT_ONCE = 1000  # names, by the protocol
MARK = "x-oss-meta-entrepot-write"  # tells who wrote an object, when an answer was lost
_COPIED = 10 * 1024 * 1024  # bytes a second that OSS copies at least
_JOINED = 60.0  # seconds in which OSS makes an object of parts
_ALONE = {"x-oss-forbid-overwrite": "true"}
_TYPE = {"content-type": "application/octet-stream"}


class Verbs:
    def __init__(self, client: Client, options: OssOptions) -> None:
        self.client = client
        self.root = f"{options.rootdirectory}/" if options.rootdirectory else ""
        self.chunksize = options.chunksize
        self._new = _headers_of_new(options)

    async def head(self, name: str) -> Answer:
        return await self.client.call(Request("HEAD", name))

    async def marked(self, name: str, mark: str) -> Answer | None:
        """The answer to HEAD, if the object there is the one that was written with `mark`.

        It tells whether a request whose answer was lost was done.
        """
        try:
            found = await self.head(name)
        except Refused as refused:
            if refused.absent:
                return None
            raise
        return found if found.headers.get(MARK) == mark else None

    def get(
        self, name: str, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[httpx2.Response]:
        return self.client.streamed(Request("GET", name, headers=headers))

    async def get_small(self, name: str) -> bytes:
        return (await self.client.call(Request("GET", name))).body

    async def put(self, name: str, body: bytes, *, mark: str = "", create: bool = False) -> Answer:
        headers = self._new | _TYPE | _marking(mark) | (_ALONE if create else {})
        return await self.client.call(Request("PUT", name, headers=headers, body=body))

    async def copy(self, source: str, target: str, size: int, etag: str) -> Answer:
        """Of up to 1 GiB, with what the source is marked with."""
        headers = self._new | self._source(source, etag)
        request = Request("PUT", target, headers=headers, slow=size / _COPIED)
        return await self._worked(request)

    async def delete(self, name: str) -> None:
        await self.client.call(Request("DELETE", name))

    async def delete_many(self, names: Sequence[str]) -> set[str]:
        """Delete up to DELETED_AT_ONCE objects; gives those that are gone."""
        content = answers.deletion(names)
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        headers = {"content-md5": base64.b64encode(digest).decode()}
        query = {"delete": "", "encoding-type": "url"}
        request = Request("POST", "", query, headers, content, _JOINED)
        return answers.deleted_of((await self.client.call(request)).body)

    async def page(
        self,
        prefix: str,
        *,
        after: str = "",
        delimiter: str = "",
        token: str = "",
        most: int = 1000,
    ) -> Page:
        query = {"list-type": "2", "encoding-type": "url", "max-keys": str(most), "prefix": prefix}
        query |= {"continuation-token": token} if token else {"start-after": after}
        query["delimiter"] = delimiter
        asked = {name: value for name, value in query.items() if value}
        return answers.page_of((await self.client.call(Request("GET", query=asked))).body)

    async def versioning(self) -> str:
        """`Enabled`, `Suspended`, or nothing."""
        answer = await self.client.call(Request("GET", query={"versioning": ""}))
        return answers.text_of(answers.parsed(answer.body), "Status")

    # -- multipart uploads --------------------------------------------------------------

    async def begin(self, name: str, mark: str) -> str:
        """A new multipart upload's id."""
        headers = self._new | _TYPE | _marking(mark)
        request = Request("POST", name, {"uploads": ""}, headers)
        answer = await self.client.call(request)
        return answers.text_of(answers.parsed(answer.body), "UploadId")

    async def put_part(self, name: str, upload: str, number: int, body: bytes) -> Part:
        query = {"partNumber": str(number), "uploadId": upload}
        answer = await self.client.call(Request("PUT", name, query, body=body))
        return Part(number, answer.headers.get("ETag", ""), len(body))

    async def copy_part(
        self, source: str, etag: str, name: str, upload: str, part: Part, start: int
    ) -> Part:
        """Make a part of `part.size` bytes of another object, from `start` on."""
        query = {"partNumber": str(part.number), "uploadId": upload}
        headers = self._source(source, etag)
        headers["x-oss-copy-source-range"] = f"bytes={start}-{start + part.size - 1}"
        answer = await self._worked(Request("PUT", name, query, headers, slow=part.size / _COPIED))
        taken = answers.text_of(answers.parsed(answer.body), "ETag")
        return Part(part.number, taken, part.size)

    async def parts(self, name: str, upload: str, after: int = 0) -> list[Part]:
        """All parts that an upload has behind that number."""
        found, marker = list[Part](), str(after)
        while marker:
            query = {"uploadId": upload, "max-parts": "1000", "part-number-marker": marker}
            answer = await self.client.call(Request("GET", name, query))
            some, marker = answers.parts_of(answer.body)
            found += some
        return found

    async def complete(
        self, name: str, upload: str, parts: Sequence[Part], *, create: bool = False
    ) -> Answer:
        headers = {"content-type": "application/xml"} | (_ALONE if create else {})
        body = answers.completion(parts)
        return await self._worked(
            Request("POST", name, {"uploadId": upload}, headers, body, _JOINED)
        )

    async def abort(self, name: str, upload: str) -> None:
        try:
            await self.client.call(Request("DELETE", name, {"uploadId": upload}))
        except Refused as refused:
            if not refused.upload_gone:
                raise

    async def uploads(self, prefix: str) -> list[tuple[str, str]]:
        """Names and ids of the multipart uploads below a prefix, a thousand at most."""
        query = {"uploads": "", "prefix": prefix, "max-uploads": "1000", "encoding-type": "url"}
        return answers.uploads_of((await self.client.call(Request("GET", query=query))).body)

    async def _worked(self, request: Request) -> Answer:
        """A request that takes OSS long, so that its failure may come behind a 200."""
        answer = await self.client.call(request)
        answers.parsed(answer.body)
        return answer

    def _source(self, name: str, etag: str) -> dict[str, str]:
        place = self.client.place
        headers = {"x-oss-copy-source": quote(place.resource(name), safe="/-_.~")}
        if etag:
            headers["x-oss-copy-source-if-match"] = etag
        return headers


def entry_of(key: str, answer: Answer) -> Entry:
    """What the answer to HEAD says."""
    size = int(answer.headers.get("Content-Length", 0))
    return Entry(key, size, answers.date(answer.headers.get("Last-Modified", "")))


def _marking(mark: str) -> dict[str, str]:
    return {MARK: mark} if mark else {}


def _headers_of_new(options: OssOptions) -> dict[str, str]:
    """Of every request that makes an object, or begins to."""
    if not options.encrypt:
        return {}
    if not options.encryptionkeyid:
        return {"x-oss-server-side-encryption": "AES256"}
    return {
        "x-oss-server-side-encryption": "KMS",
        "x-oss-server-side-encryption-key-id": options.encryptionkeyid,
    }
