"""Rules for tags: which may not move, which may not be deleted, which expire.

Asking them does no input or output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from entrepot.core.configuration.model_tags import TagRule
from entrepot.core.globs import Glob, Globs, TagGlobs
from entrepot.core.names import RepositoryName


@dataclass(frozen=True, slots=True)
class Immutable:
    """What makes a tag immutable: the first rule that says so, by its index, and its pattern.

    `deletable` if that rule or another one lets it be deleted.
    """

    rule: int
    pattern: str
    deletable: bool

    def __str__(self) -> str:
        return f"policy.tags.{self.rule}: {self.pattern}"


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule ready to be asked; `index` is its place in `policy.tags`. `expire` is seconds.

    `keep` and `expire` are 0 where the rule does not have them.
    """

    index: int
    names: Globs
    immutable: TagGlobs
    deletable: bool
    match: TagGlobs
    never: TagGlobs
    keep: int
    expire: float
    pulls: bool

    @property
    def expires(self) -> bool:
        return bool(self.keep or self.expire)

    def lets_expire(self, tag: str) -> bool:
        """Whether `keep` and `expire` are for this tag."""
        return self.expires and (not self.match or self.match.find(tag) is not None)


class TagRules:
    """The rules of `policy.tags`."""

    def __init__(self, rules: Sequence[TagRule] = ()) -> None:
        self._rules = tuple(_compiled(index, rule) for index, rule in enumerate(rules))

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def expires(self) -> bool:
        """Whether any tag expires by them."""
        return any(rule.expires for rule in self._rules)

    def of(self, name: RepositoryName) -> Iterator[CompiledRule]:
        """Those for a repository, in order."""
        return (rule for rule in self._rules if rule.names.match(name.text, ""))

    def immutable(self, name: RepositoryName, tag: str) -> Immutable | None:
        """What makes the tag immutable; None: it is not."""
        found = [
            (rule, pattern)
            for rule in self.of(name)
            if (pattern := rule.immutable.find(tag)) is not None
        ]
        if not found:
            return None
        first, pattern = found[0]
        return Immutable(first.index, pattern, any(rule.deletable for rule, _ in found))


NO_TAG_RULES = TagRules()


def _compiled(index: int, rule: TagRule) -> CompiledRule:
    return CompiledRule(
        index,
        Globs(Glob.parse(text) for text in rule.repositories),
        TagGlobs(rule.immutable),
        rule.deletable,
        TagGlobs(rule.match),
        TagGlobs(rule.never),
        rule.keep,
        rule.expire.seconds,
        rule.pulls,
    )
