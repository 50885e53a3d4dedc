"""Who may do what with which repositories: `access`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from entrepot.core.configuration.model_base import Section
from entrepot.core.configuration.tree import Path
from entrepot.core.globs import USER, Glob

Action: TypeAlias = Literal["pull", "push", "delete", "catalog", "*"]


def _is_glob(text: str) -> str:
    Glob.parse(text)
    return text


GlobText: TypeAlias = Annotated[str, AfterValidator(_is_glob)]


class AccessRule(Section):
    """What some may do. AccessRules only add: whatever one of them allows is allowed."""

    users: tuple[str, ...] = ()
    """Names of users."""
    groups: tuple[str, ...] = ()
    """Names of groups."""
    authenticated: bool = False
    """It holds for everybody who said who they are."""
    anonymous: bool = False
    """It holds for everybody, whether they said who they are or not."""
    repositories: tuple[GlobText, ...] = ()
    """Patterns of names: `*` within a part, `**` for one part or more, `{user}` for the user."""
    actions: tuple[Action, ...] = ()
    """What they may do: `pull`, `push`, `delete`, `catalog`, or `*` for all of it."""

    @property
    def gives(self) -> frozenset[str]:
        """Its actions, spelled out."""
        return frozenset(
            ("pull", "push", "delete", "catalog") if "*" in self.actions else self.actions
        )


class AccessRules(Section):
    """An access policy, as a file of its own may hold it."""

    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """Users by the name of their group."""
    rules: tuple[AccessRule, ...] = ()
    """What they may do."""


class AccessPolicy(AccessRules):
    """Who may do what; without it, everybody who said who they are may do everything."""

    file: str = ""
    """A file with `groups` and `rules`, read again whenever it changes; instead of both here."""


def policy_mistakes(policy: AccessRules) -> Iterator[tuple[Path, str]]:
    """What is wrong with groups and rules that are each well formed, and where."""
    if not policy.rules:
        yield ("rules",), "no rules, so nobody could do anything; write some"
    for name, users in policy.groups.items():
        for index, user in enumerate(users):
            if not user:
                yield ("groups", name, index), "a user's name is wanted"
    for index, rule in enumerate(policy.rules):
        for path, text in _rule_mistakes(rule, policy):
            yield ("rules", index, *path), text


def _rule_mistakes(rule: AccessRule, policy: AccessRules) -> Iterator[tuple[Path, str]]:
    named = rule.users or rule.groups or rule.authenticated
    if not (named or rule.anonymous):
        yield (), "it holds for nobody; add `users`, `groups`, `authenticated` or `anonymous`"
    if not rule.actions:
        yield (), "it allows nothing; add `actions`"
    if not rule.repositories and rule.gives != frozenset({"catalog"}):
        yield (), 'it names no repositories; add `repositories`, like ["**"] for all'
    if not named and any(USER in glob for glob in rule.repositories):
        yield ("repositories",), "the anonymous have no name that `{user}` could stand for"
    yield from _naming_mistakes(rule, policy)


def _naming_mistakes(rule: AccessRule, policy: AccessRules) -> Iterator[tuple[Path, str]]:
    for index, user in enumerate(rule.users):
        if not user:
            yield ("users", index), "a user's name is wanted; `anonymous: true` is for everybody"
    for index, group in enumerate(rule.groups):
        if group not in policy.groups:
            known = ", ".join(sorted(policy.groups)[:20]) or "none"
            told = f"no group {group[:100]!r}; add it to `groups` (known: {known})"
            yield ("groups", index), told
