"""Paths to endpoints. Repository names hold slashes, so a path is read from its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from entrepot.server.call import Call
from entrepot.server.endpoints import base, blobs, manifests, referrers, tags, uploads

Endpoint = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A kind of resource; `kind` names it in logs and metrics as Distribution does."""

    kind: str
    endpoints: dict[str, Endpoint]

    @property
    def allowed(self) -> tuple[str, ...]:
        return tuple(sorted(self.endpoints))

    def writes(self, method: str) -> bool:
        """Whether a request changes what is stored."""
        return method not in {"GET", "HEAD"} and self is not BASE


@dataclass(frozen=True, slots=True)
class Match:
    route: Route
    name: str = ""
    reference: str = ""


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
BASE = Route("base", dict.fromkeys(_METHODS, base.base))
CATALOGUE = Route("catalog", {"GET": tags.list_repositories})
TAGS = Route("tags", {"GET": tags.list_tags})
MANIFEST = Route(
    "manifest",
    {
        "GET": manifests.get,
        "HEAD": manifests.get,
        "PUT": manifests.put,
        "DELETE": manifests.delete,
    },
)
BLOB = Route("blob", {"GET": blobs.get, "HEAD": blobs.head, "DELETE": blobs.delete})
UPLOADS = Route("blob_upload", {"POST": uploads.start})
UPLOAD = Route(
    "blob_upload_chunk",
    {
        "GET": uploads.status,
        "HEAD": uploads.status,
        "PATCH": uploads.patch,
        "PUT": uploads.put,
        "DELETE": uploads.cancel,
    },
)
REFERRERS = Route("referrers", {"GET": referrers.get})


def match(path: str) -> Match | None:
    """The route of a path that begins with `/v2`; None if the specification has no such path."""
    if path in {"/v2/", "/v2"}:
        return Match(BASE)
    parts = path.split("/")
    if len(parts) < 4 or parts[0] or parts[1] != "v2":
        return Match(CATALOGUE) if path == "/v2/_catalog" else None
    if parts[2] == "_catalog" and parts[3:] == [""]:
        return Match(CATALOGUE)
    return _uploads(parts) or _resource(parts)


def _uploads(parts: list[str]) -> Match | None:
    if len(parts) > 4 and parts[-2:] == ["blobs", "uploads"]:
        return Match(UPLOADS, "/".join(parts[2:-2]))
    if len(parts) > 5 and parts[-3:-1] == ["blobs", "uploads"]:
        name = "/".join(parts[2:-3])
        return Match(UPLOAD, name, parts[-1]) if parts[-1] else Match(UPLOADS, name)
    return None


_BY_KIND = {"manifests": MANIFEST, "blobs": BLOB, "referrers": REFERRERS}


def _resource(parts: list[str]) -> Match | None:
    if not parts[-1]:
        parts = parts[:-1]
    if len(parts) < 5:
        return None
    kind, reference = parts[-2:]
    if kind == "tags" and reference == "list":
        return Match(TAGS, "/".join(parts[2:-2]))
    route = _BY_KIND.get(kind)
    return Match(route, "/".join(parts[2:-2]), reference) if route else None
