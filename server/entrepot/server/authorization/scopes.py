"""What a token is asked for, and what of it is granted.

Source: Distribution, "Token Scope Documentation".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from entrepot.core.access import Access, Identity, Rights
from entrepot.core.errors import NameInvalidError
from entrepot.core.names import RepositoryName
from entrepot.core.policy import ACTIONS, CATALOGUE

MOST = 100
"""Resources that one token may be for."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Something named in a scope, with what is wanted of it or may be done with it."""

    type: str
    name: str
    actions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.type}:{self.name}:{','.join(self.actions)}"


def parsed(scopes: Iterable[str]) -> list[Resource]:
    """The resources of scopes, each once; what is no scope of ours is left out.

    Raises ValueError: if there are more than MOST.
    """
    wanted: dict[tuple[str, str], dict[str, None]] = {}
    for scope in scopes:
        for one in scope.split():
            kind, _, rest = one.partition(":")
            name, _, actions = rest.rpartition(":")
            kind = kind.partition("(")[0]  # a class, as in `repository(plugin)`, says nothing here
            if _is_known(kind, name):
                of_resource = wanted.setdefault((kind, name), {})
                of_resource.update(dict.fromkeys(_spelled_out(kind, actions)))
        if len(wanted) > MOST:
            raise ValueError(f"a token is for {MOST} resources at most")
    return [Resource(kind, name, tuple(actions)) for (kind, name), actions in wanted.items()]


def granted(wanted: Iterable[Resource], rights: Rights, identity: Identity) -> list[Resource]:
    """What of it a client may do; resources with which it may do nothing are left out."""
    found = [
        Resource(
            one.type,
            one.name,
            tuple(
                action
                for action in one.actions
                if rights.allows(identity, Access(one.type, one.name, action))
            ),
        )
        for one in wanted
    ]
    return [one for one in found if one.actions]


def _is_known(kind: str, name: str) -> bool:
    if kind != "repository":
        return (kind, name) == (CATALOGUE.type, CATALOGUE.name)
    try:
        RepositoryName.parse(name)
    except NameInvalidError:
        return False
    return True


def _spelled_out(kind: str, actions: str) -> list[str]:
    """In one order, whatever the client's was; `*` of a repository is each of its actions."""
    wanted = set(actions.split(","))
    if kind != "repository":
        return ["*"] if "*" in wanted else []
    return [action for action in ACTIONS if action in wanted or "*" in wanted]
