"""Which tags stay as they are, and which go in time: `policy.tags`."""

from __future__ import annotations

from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.model_access import GlobText
from entrepot.core.configuration.model_base import Section
from entrepot.core.globs import USER, tag_glob


def _is_tag_glob(text: str) -> str:
    tag_glob(text)
    return text


def _names_no_user(text: str) -> str:
    if USER in text:
        raise ValueError("tags belong to no user that `{user}` could stand for; write a name or *")
    return text


TagGlobText: TypeAlias = Annotated[str, AfterValidator(_is_tag_glob)]


class TagRule(Section):
    """A rule for tags. Rules only keep: a tag that one of them keeps stays."""

    repositories: tuple[Annotated[GlobText, AfterValidator(_names_no_user)], ...] = ()
    """Patterns of names: `*` within a part, `**` for one part or more."""
    immutable: tuple[TagGlobText, ...] = ()
    """Patterns of tags that, once pushed, point to the same manifest for ever."""
    deletable: bool = False
    """Let its immutable tags be deleted, and expire."""
    match: tuple[TagGlobText, ...] = ()
    """Patterns of tags that `keep` and `expire` are for; empty: all."""
    never: tuple[TagGlobText, ...] = ()
    """Patterns of tags that no rule lets expire."""
    keep: int = Field(default=0, ge=0)
    """How many of its tags stay, those pushed last; the others expire."""
    expire: Duration = Duration(0)
    """How long after its last push a tag stays; then it expires."""

    pulls: bool = False
    """Count from the last pull, where it came after the last push; pulls are recorded then."""

    @property
    def expires(self) -> bool:
        """Whether any tag expires by it."""
        return bool(self.keep or self.expire.nanoseconds)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.repositories:
            told = 'it names no repositories; add `repositories`, like ["**"] for all'
            raise ValueError(told)
        if not (self.immutable or self.never or self.expires):
            raise ValueError("it says nothing; add `immutable`, `never`, `keep` or `expire`")
        if self.match and not self.expires:
            raise ValueError("`match` is for `keep` and `expire`; add one of them")
        if self.pulls and not self.expires:
            raise ValueError("`pulls` is for `keep` and `expire`; add one of them")
        if self.deletable and not self.immutable:
            raise ValueError("`deletable` is for the tags of `immutable`; add it")
        return self
