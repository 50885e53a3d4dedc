"""What a request needs. Source: Distribution's scopes, "Docker Registry Token Scope and Access"."""

from __future__ import annotations

from functools import lru_cache

from starlette.types import Scope

from entrepot.core.access import Access
from entrepot.core.names import RepositoryName
from entrepot.server.call import only, parsed_query
from entrepot.server.routes import BASE, CATALOGUE, UPLOADS, Match

_ACTIONS = {
    "GET": ("pull",),
    "HEAD": ("pull",),
    "POST": ("pull", "push"),
    "PUT": ("pull", "push"),
    "PATCH": ("pull", "push"),
    "DELETE": ("delete",),
}
_CATALOGUE = (Access("registry", "catalog", "*"),)


def needs(scope: Scope, found: Match, method: str) -> tuple[Access, ...]:
    """Everything that a client must be allowed to do for this request.

    Raises NameInvalidError; QueryInvalidError.
    """
    if found.route is BASE:
        return ()
    if found.route is CATALOGUE:
        return _CATALOGUE
    own = _of_repository(found.name, method)
    if found.route is UPLOADS and scope["query_string"]:
        source = only(parsed_query(scope["query_string"]), "from")
        if source:
            return (*own, *_of_repository(source, "GET"))
    return own


@lru_cache(1024)
def _of_repository(name: str, method: str) -> tuple[Access, ...]:
    text = RepositoryName.parse(name).text
    return tuple(Access("repository", text, action) for action in _ACTIONS.get(method, ()))
