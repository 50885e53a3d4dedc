"""What happens in a request, told to those who listen; nothing is built if nobody does.

An event is told when what it says is on the store, and before the client has its answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from ipaddress import ip_address
from uuid import uuid4

from entrepot.core.blobs import Blob
from entrepot.core.events import Action, Event, Source, Target
from entrepot.core.manifest import Manifest
from entrepot.core.names import Digest, Reference, RepositoryName, Tag
from entrepot.server.call import Call

BLOB_TYPE = "application/octet-stream"
_LONGEST_ADDRESS = 45  # of an IPv6 address with an IPv4 address in it
_LONGEST = 1024  # characters of a header that an event repeats
_HOST, _AGENT = b"host", b"user-agent"
_FORWARDED, _REAL = b"x-forwarded-for", b"x-real-ip"
_TOLD = frozenset({_HOST, _AGENT, _FORWARDED, _REAL})


async def manifest_pulled(call: Call, found: Manifest, reference: Reference) -> None:
    if call.listeners is not None:
        tag = reference.text if isinstance(reference, Tag) else ""
        await _tell(call, "pull", _manifest(call, found, tag))


async def manifest_pushed(
    call: Call, stored: Manifest, reference: Reference, tags: Sequence[Tag]
) -> None:
    """One event for each tag that was set, or one without a tag."""
    if call.listeners is not None:
        names = [tag.text for tag in tags] or [""]
        for name in [reference.text] if isinstance(reference, Tag) else names:
            await _tell(call, "push", _manifest(call, stored, name))


async def manifest_deleted(call: Call, digest: Digest, tags: Sequence[Tag]) -> None:
    """One event for the manifest, and one for each tag that pointed to it."""
    if call.listeners is not None:
        await _tell(call, "delete", Target(call.name, digest=str(digest)))
        for tag in tags:
            await tag_deleted(call, tag)


async def tag_deleted(call: Call, tag: Tag) -> None:
    if call.listeners is not None:
        await _tell(call, "delete", Target(call.name, tag=tag.text))


async def blob_pulled(call: Call, blob: Blob) -> None:
    if call.listeners is not None:
        await _tell(call, "pull", _blob(call, blob.digest, blob.size))


async def blob_pushed(call: Call, digest: Digest, size: int) -> None:
    if call.listeners is not None:
        await _tell(call, "push", _blob(call, digest, size))


async def blob_mounted(call: Call, blob: Blob, origin: RepositoryName | None) -> None:
    if call.listeners is not None:
        source = origin.text if origin is not None else ""
        await _tell(call, "mount", _blob(call, blob.digest, blob.size, source))


async def blob_deleted(call: Call, digest: Digest) -> None:
    if call.listeners is not None:
        await _tell(call, "delete", Target(call.name, digest=str(digest)))


async def _tell(call: Call, action: Action, target: Target) -> None:
    assert call.listeners is not None
    event = Event(str(uuid4()), time.time(), action, target, source(call), _actor(call))
    await call.listeners.tell(event)


def _actor(call: Call) -> str:
    """The user's name, of which a token may have made something that is no text."""
    return call.account.user.encode(errors="replace").decode()[:_LONGEST]


def source(call: Call) -> Source:
    """The request as events name it, however much of it was sent."""
    told: dict[bytes, str] = {}
    for name, value in call.scope["headers"]:
        if name in _TOLD and name not in told:
            told[name] = value.decode("latin-1")[:_LONGEST]
    return Source(
        call.account.id,
        address(told.get(_FORWARDED, ""), told.get(_REAL, ""), call.scope.get("client")),
        told.get(_HOST, ""),
        call.method[:_LONGEST],
        told.get(_AGENT, ""),
    )


def address(forwarded: str, real: str, peer: tuple[str, int] | None) -> str:
    """The client's IP address as proxies tell it, or else the peer's, with its port.

    Source: Distribution, which believes the first element of X-Forwarded-For, then X-Real-Ip.
    """
    for told in (forwarded.partition(",")[0], real):
        if told and _is_address(told := told.strip()):
            return told
    if not peer or not peer[0]:
        return ""
    host = f"[{peer[0]}]" if ":" in peer[0] else peer[0]
    return f"{host}:{peer[1]}"


def _is_address(text: str) -> bool:
    if not text or len(text) > _LONGEST_ADDRESS or "%" in text:
        return False
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _manifest(call: Call, manifest: Manifest, tag: str) -> Target:
    digest = str(manifest.digest)
    return Target(
        call.name,
        digest,
        manifest.media_type,
        len(manifest.content),
        tag,
        call.locate(f"{call.name}/manifests/{digest}"),
        artifact_type=manifest.artifact_type or "",
        annotations=manifest.annotations or {},
        references=(*manifest.blobs, *manifest.manifests),
    )


def _blob(call: Call, digest: Digest, size: int, origin: str = "") -> Target:
    url = call.locate(f"{call.name}/blobs/{digest}")
    return Target(call.name, str(digest), BLOB_TYPE, size, "", url, origin)
