"""Blob uploads. Source: distribution-spec 1.1, "Pushing blobs", and 1.2 for what is newer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import urlencode

from starlette.responses import Response

from entrepot.core.errors import DigestInvalidError, RangeInvalidError, SizeInvalidError
from entrepot.core.names import ALGORITHMS, Digest, RepositoryName, UploadId
from entrepot.core.uploads import UploadSession
from entrepot.server import body, errors, happening
from entrepot.server.call import Call

_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?\s*(\d{1,18})-(\d{1,18})(?:/(?:\d+|\*))?", re.ASCII)
_DEFAULT = "sha256"


async def start(call: Call) -> Response:
    """Mount, take a whole blob at once, or open an upload."""
    mount, digest = call.parameter("mount"), call.parameter("digest")
    if mount is not None:
        wanted = Digest.parse(mount)
        source = call.parameter("from")
        origin = RepositoryName.parse(source) if source else _anywhere(call)
        mounted = await call.repository.blobs.mount(wanted, origin)
        if mounted is not None:
            await happening.blob_mounted(call, mounted, origin)
            return _created(call, wanted)
    elif digest is not None:
        wanted = Digest.parse(digest)
        size = await call.repository.blobs.put(wanted, _body(call))
        await happening.blob_pushed(call, wanted, size)
        return _created(call, wanted)
    session = await call.repository.uploads.start(_algorithm(call))
    return _progress(call, session, 0, 202)


async def status(call: Call) -> Response:
    session = await _session(call)
    return _progress(call, session, await session.size(), 204)


async def patch(call: Call) -> Response:
    """Append a chunk. One that does not begin at the end gets a 416 that says where that is."""
    session = await _session(call)
    span = _content_range(call)
    chunks: AsyncIterator[bytes] = _body(call)
    if span is not None:
        chunks = body.exactly(chunks, span[1] - span[0])
    try:
        size = await session.append(chunks, span[0] if span else _state(call))
    except RangeInvalidError as error:
        return _refused(call, session, error)
    return _progress(call, session, size, 202)


async def put(call: Call) -> Response:
    """Finish an upload, with a last chunk or the whole blob in the body, or nothing."""
    text = call.parameter("digest")
    if not text:
        raise DigestInvalidError("digest missing: finish with ?digest=<digest of the blob>")
    digest = Digest.parse(text)
    session = await _session(call)
    chunks: AsyncIterator[bytes] | None = None
    span = None
    if call.content_length != 0:
        span = _content_range(call)
        chunks = _body(call)
        if span is not None:
            chunks = body.exactly(chunks, span[1] - span[0])
    offset = span[0] if span else _state(call)
    try:
        size = await session.commit(digest, chunks, offset if chunks is not None else None)
    except RangeInvalidError as error:
        return _refused(call, session, error)
    await happening.blob_pushed(call, digest, size)
    return _created(call, digest)


async def cancel(call: Call) -> Response:
    session = await _session(call)
    await session.cancel()
    return Response(status_code=204, headers={"Docker-Upload-UUID": session.id.text})


def _anywhere(call: Call) -> RepositoryName | None:
    """Where a blob is looked for whose repository is not named: nobody gets to read by its digest
    what no right of his gives him.
    """
    return call.repository.name if call.is_guarded else None


async def _session(call: Call) -> UploadSession:
    uploads = call.repository.uploads
    return await uploads.find(UploadId.parse(call.reference), _algorithm(call))


def _body(call: Call) -> AsyncIterator[bytes]:
    return body.chunks(call.receive, call.limits.idle)


def _algorithm(call: Call) -> str:
    """Source: distribution-spec 1.2, end-4c."""
    algorithm = call.parameter("digest-algorithm") or _DEFAULT
    if algorithm not in ALGORITHMS:
        raise DigestInvalidError(
            f"unsupported digest algorithm {algorithm[:50]!r}: one of {', '.join(ALGORITHMS)}"
        )
    return algorithm


def _state(call: Call) -> int | None:
    """The offset that our Location carried; a token of another registry says nothing."""
    state = call.parameter("_state") or ""
    return int(state) if state.isascii() and state.isdecimal() and len(state) < 19 else None


def _content_range(call: Call) -> tuple[int, int] | None:
    """Raises SizeInvalidError: if it is malformed or contradicts Content-Length."""
    header = call.headers.get("content-range")
    if header is None:
        return None
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        raise SizeInvalidError(f"malformed Content-Range {header[:50]!r}: want <start>-<end>")
    start, stop = int(match[1]), int(match[2]) + 1
    length = call.content_length
    if stop <= start or (length is not None and length != stop - start):
        raise SizeInvalidError(
            f"Content-Range {header[:50]!r} does not fit a body of {length} bytes"
        )
    return start, stop


def _progress(call: Call, session: UploadSession, size: int, status: int) -> Response:
    return Response(status_code=status, headers=_headers(call, session, size))


def _headers(call: Call, session: UploadSession, size: int) -> dict[str, str]:
    query = {"_state": str(size)}
    if session.algorithm != _DEFAULT:
        query["digest-algorithm"] = session.algorithm
    path = f"{call.name}/blobs/uploads/{session.id}?{urlencode(query)}"
    return {
        "Location": call.locate(path),
        "Range": f"0-{max(0, size - 1)}",
        "Docker-Upload-UUID": session.id.text,
    }


def _refused(call: Call, session: UploadSession, error: RangeInvalidError) -> Response:
    response = errors.answer(error)
    response.headers.update(_headers(call, session, error.size))
    return response


def _created(call: Call, digest: Digest) -> Response:
    headers = {
        "Location": call.locate(f"{call.name}/blobs/{digest}"),
        "Docker-Content-Digest": str(digest),
    }
    return Response(status_code=201, headers=headers)
