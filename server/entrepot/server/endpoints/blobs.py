"""Blobs. Source: distribution-spec 1.1, "Pulling blobs", "Deleting Blobs"."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from entrepot.core.blobs import Blob
from entrepot.core.names import Digest
from entrepot.server import errors, happening, ranges
from entrepot.server.call import Call
from entrepot.server.conditions import matches, still_valid, unmet
from entrepot.server.sending import PartsResponse, StreamResponse

_TYPE = "application/octet-stream"
_IN_URLS = ":/?#[]@!$&'()*+,;=%~"  # anything else has no place in a header


async def head(call: Call) -> Response:
    """Whether a push may skip the blob: answered from the store, never from memory."""
    digest = Digest.parse(call.reference)
    blob = await call.repository.blobs.find(digest)
    headers = _headers(digest)
    if (answer := _by_condition(call, digest, headers)) is not None:
        return answer
    headers["Content-Length"] = str(blob.size)
    await happening.blob_pulled(call, blob)
    return Response(headers=headers, media_type=_TYPE)


async def get(call: Call) -> Response:
    digest = Digest.parse(call.reference)
    blob = await call.repository.blobs.look(digest)
    headers = _headers(digest)
    if (answer := _by_condition(call, digest, headers)) is not None:
        return answer
    if blob.content is None:
        url = await call.registry.redirects.find(blob.stored, call.client)
        if url is not None:
            await happening.blob_pulled(call, blob)
            return _redirect(url, digest)
        if (answer := await _handed_over(call, blob, headers)) is not None:
            return answer
        blob = await call.repository.blobs.load(blob)
    wanted = call.headers.get("range")
    if wanted is not None and still_valid(call.headers.get("if-range"), str(digest)):
        blob = await call.repository.blobs.prove(blob)
        response = _partial(call, blob, headers, wanted)
    else:
        response = _whole(call, blob, headers)
    if response.status_code != 416:
        await happening.blob_pulled(call, blob)
    return response


async def delete(call: Call) -> Response:
    digest = Digest.parse(call.reference)
    errors.check_deletable("blobs", is_on=call.registry.rules.delete.blobs)
    await call.repository.blobs.delete(digest)
    await happening.blob_deleted(call, digest)
    return Response(status_code=202)


def _by_condition(call: Call, digest: Digest, headers: dict[str, str]) -> Response | None:
    """The answer to a request whose conditions leave nothing to send; None: they do not."""
    if unmet(call.headers.get("if-match"), str(digest)):
        return Response(status_code=412, headers=headers)
    if matches(call.headers.get("if-none-match"), str(digest)):
        return Response(status_code=304, headers=headers)
    return None


def _headers(digest: Digest) -> dict[str, str]:
    return {
        "Docker-Content-Digest": str(digest),
        "Etag": f'"{digest}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "max-age=31536000",
    }


def _redirect(url: str, digest: Digest) -> Response:
    """Sends a client to the backend, with whatever range it wants of it.

    Nothing says that this may be kept: the URL ends, and may be for this client alone.
    Source: RFC 9110 section 15.4.8.
    """
    location = quote(url, safe=_IN_URLS)
    return Response(
        status_code=307, headers={"Location": location, "Docker-Content-Digest": str(digest)}
    )


async def _handed_over(call: Call, blob: Blob, headers: dict[str, str]) -> Response | None:
    """The answer that lets the proxy in front send the blob; None: it is sent from here."""
    if call.handover is None:
        return None
    name = call.handover.named(call.scope, blob, call.registry.driver)
    if name is None:
        return None
    blob = await call.repository.blobs.prove(blob)
    await happening.blob_pulled(call, blob)
    return call.handover.response(name, headers, _TYPE)


def _whole(call: Call, blob: Blob, headers: dict[str, str]) -> Response:
    headers["Content-Length"] = str(blob.size)
    if blob.content is not None:
        return Response(blob.content, headers=headers, media_type=_TYPE)
    return StreamResponse(call.repository.blobs.read(blob, 0, blob.size), 200, headers, _TYPE)


def _partial(call: Call, blob: Blob, headers: dict[str, str], wanted: str) -> Response:
    try:
        spans = ranges.parse(wanted, blob.size)
    except ranges.UnsatisfiableError:
        headers["Content-Range"] = f"bytes */{blob.size}"
        return Response(status_code=416, headers=headers)
    if spans is None:
        return _whole(call, blob, headers)
    if len(spans) > 1:
        return PartsResponse(call.repository.blobs, blob, spans, headers, _TYPE)
    start, stop = spans[0]
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{blob.size}"
    headers["Content-Length"] = str(stop - start)
    if blob.content is not None:
        return Response(blob.content[start:stop], 206, headers, _TYPE)
    return StreamResponse(call.repository.blobs.read(blob, start, stop), 206, headers, _TYPE)
