"""The access policy: who may do what with which repositories.

Rules only add. Whatever one of them allows is allowed, their order means nothing, and what
none of them allows is refused: so a rule can be read without the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from entrepot.core.access import Access, Identity
from entrepot.core.configuration.model_access import AccessRule, AccessRules
from entrepot.core.globs import Glob, Globs

ACTIONS = ("pull", "push", "delete")
"""What may be done with a repository."""

CATALOGUE = Access("registry", "catalog", "*")
"""Listing the repositories."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something is allowed, and what decided.

    `rule` is the index of the first rule that allows it. `others` are those that hold for this
    client and do not, each with the reason.
    """

    allows: bool
    rule: int | None
    others: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A rule ready to be asked; `users` has the members of its groups, too."""

    index: int
    users: frozenset[str]
    groups: frozenset[str]
    anonymous: bool
    authenticated: bool
    actions: frozenset[str]
    names: Globs

    def holds_for(self, known: Identity) -> bool:
        """Whether it holds for a client who has a name."""
        return (
            self.anonymous
            or self.authenticated
            or known.name in self.users
            or not self.groups.isdisjoint(known.groups)
        )

    def allows(self, user: str, access: Access) -> bool:
        if access.type == "repository":
            return access.action in self.actions and self.names.match(access.name, user)
        return access == CATALOGUE and "catalog" in self.actions

    def reason(self, access: Access) -> str:
        """Why it does not allow this."""
        wanted = access.action if access.type == "repository" else "catalog"
        if wanted not in self.actions:
            return f"allows {', '.join(sorted(self.actions))}, not {wanted}"
        return f"is for {', '.join(map(str, self.names.globs))}"


class Policy:
    """An access policy; asking it costs microseconds and does no input or output."""

    def __init__(self, rules: AccessRules) -> None:
        self._rules = tuple(_compiled(index, rule, rules) for index, rule in enumerate(rules.rules))
        self._for_all = tuple(rule for rule in self._rules if rule.anonymous)
        self._for_known = tuple(
            rule for rule in self._rules if rule.anonymous or rule.authenticated
        )
        named = frozenset[str]().union(*(rule.users for rule in self._rules))
        self._by_user = {user: self._held(Identity(user)) for user in named}

    @property
    def admits_anonymous(self) -> bool:
        """Whether there is anything that everybody may do."""
        return bool(self._for_all)

    def allows(self, identity: Identity, access: Access) -> bool:
        """Whether a client may do this; the action `*` of a repository is all of ACTIONS."""
        if access.type == "repository" and access.action == "*":
            each = (Access("repository", access.name, action) for action in ACTIONS)
            return all(self.allows(identity, one) for one in each)
        user = identity.name
        return any(rule.allows(user, access) for rule in self._of(identity))

    def explain(self, identity: Identity, access: Access) -> Verdict:
        """What `allows` says of one action, and why."""
        held = self._of(identity)
        allowing = [rule.index for rule in held if rule.allows(identity.name, access)]
        others = tuple(
            (rule.index, rule.reason(access)) for rule in held if rule.index not in allowing
        )
        return Verdict(bool(allowing), allowing[0] if allowing else None, others)

    def enters(self, identity: Identity, folder: str) -> bool:
        """Whether a client may pull `folder` or anything that could be below it."""
        parts = tuple(folder.split("/"))
        return any(
            "pull" in rule.actions and rule.names.enters(parts, identity.name)
            for rule in self._of(identity)
        )

    def _of(self, identity: Identity) -> Iterable[_Compiled]:
        if not identity.name:
            return self._for_all
        if identity.groups:
            return self._held(identity)
        return self._by_user.get(identity.name, self._for_known)

    def _held(self, identity: Identity) -> tuple[_Compiled, ...]:
        return tuple(rule for rule in self._rules if rule.holds_for(identity))


def _compiled(index: int, rule: AccessRule, rules: AccessRules) -> _Compiled:
    members = (rules.groups[group] for group in rule.groups)
    return _Compiled(
        index,
        frozenset(rule.users).union(*members),
        frozenset(rule.groups),
        rule.anonymous,
        rule.authenticated,
        rule.gives,
        Globs(Glob.parse(text) for text in rule.repositories),
    )
