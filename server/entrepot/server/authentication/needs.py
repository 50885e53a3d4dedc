"""What a request needs. Source: Distribution's scopes, "Docker Registry Token Scope and Access"."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Needs:
    """What a client must be allowed to do, all of it; `name` is the repository's, if any is."""

    wanted: tuple[Access, ...]
    name: RepositoryName | None = None


_NOTHING = Needs(())
_CATALOGUE = Needs((Access("registry", "catalog", "*"),))


def needs(scope: Scope, found: Match, method: str) -> Needs:
    """What a request needs; its path's name is parsed here, once for many requests.

    Raises NameInvalidError; QueryInvalidError.
    """
    if found.route is BASE:
        return _NOTHING
    if found.route is CATALOGUE:
        return _CATALOGUE
    # by known methods alone: others are of any length, and would be remembered
    own = _of_repository(found.name, method if method in _ACTIONS else "")
    if found.route is UPLOADS and scope["query_string"]:
        source = only(parsed_query(scope["query_string"]), "from")
        if source:
            return Needs((*own.wanted, *_of_repository(source, "GET").wanted), own.name)
    return own


@lru_cache(1024)
def _of_repository(text: str, method: str) -> Needs:
    name = RepositoryName.parse(text)
    actions = _ACTIONS.get(method, ())
    return Needs(tuple(Access("repository", name.text, action) for action in actions), name)
