"""Manifests. Source: distribution-spec 1.1, "Pulling manifests", "Pushing Manifests"."""

from __future__ import annotations

from starlette.responses import Response

from entrepot.core.errors import ManifestTooLargeError
from entrepot.core.manifest import LIMIT
from entrepot.core.names import Digest, Tag, parse_reference
from entrepot.server import body, errors, happening
from entrepot.server.call import Call
from entrepot.server.conditions import matches
from entrepot.server.errors import QueryInvalidError, TooManyTagsError


async def get(call: Call) -> Response:
    """The stored bytes under their own media type, whatever the client says it accepts.

    HEAD says whether a push may skip the manifest, so it is answered from the store.
    """
    reference = parse_reference(call.reference)
    found = await call.repository.manifests.get(reference, afresh=call.method == "HEAD")
    digest = str(found.digest)
    headers = {"Docker-Content-Digest": digest, "Etag": f'"{digest}"'}
    if matches(call.headers.get("if-none-match"), digest):
        return Response(status_code=304, headers=headers)
    await happening.manifest_pulled(call, found, reference)
    headers["Content-Type"] = found.media_type
    headers["Content-Length"] = str(len(found.content))
    return Response(b"" if call.method == "HEAD" else found.content, headers=headers)


async def put(call: Call) -> Response:
    reference = parse_reference(call.reference)
    tags = _tags(call)
    if tags and isinstance(reference, Tag):
        raise QueryInvalidError("`tag` parameters need a digest in the path")
    if (call.content_length or 0) > LIMIT:
        raise ManifestTooLargeError(f"the manifest is larger than {LIMIT} bytes")
    content = await body.whole(call.receive, call.limits.idle, LIMIT)
    media_type = call.headers.get("content-type", "").split(";", 1)[0].strip() or None
    user = call.account.user
    stored = await call.repository.manifests.put(reference, content, media_type, tags, user)
    await happening.manifest_pushed(call, stored, reference, tags)
    response = Response(status_code=201)
    response.headers["Location"] = call.locate(f"{call.name}/manifests/{stored.digest}")
    response.headers["Docker-Content-Digest"] = str(stored.digest)
    if stored.subject is not None:
        response.headers["OCI-Subject"] = str(stored.subject)
    for tag in tags:
        response.headers.append("OCI-Tag", tag.text)
    return response


async def delete(call: Call) -> Response:
    """A tag alone, or a manifest with every tag that points to it."""
    reference = parse_reference(call.reference)
    deletable = call.registry.rules.delete
    if isinstance(reference, Digest):
        errors.check_deletable("manifests", is_on=deletable.manifests)
        untagged = await call.repository.manifests.delete(reference, untag=deletable.tags)
        await happening.manifest_deleted(call, reference, untagged)
    else:
        errors.check_deletable("tags", is_on=deletable.tags)
        await call.repository.tags.delete(reference)
        await happening.tag_deleted(call, reference)
    return Response(status_code=202)


def _tags(call: Call) -> list[Tag]:
    """Source: distribution-spec 1.2, "Pushing Manifests", end-7b."""
    tags = [Tag.parse(value) for key, value in call.query if key == "tag"]
    if len(tags) > call.limits.tag_parameters:
        raise TooManyTagsError(f"too many `tag` parameters: {call.limits.tag_parameters} at most")
    return list(dict.fromkeys(tags))
