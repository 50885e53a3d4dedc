"""Which manifests without a tag may go: the rules an operator sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from entrepot.core.globs import Glob, Globs


@dataclass(frozen=True, slots=True)
class Untagged:
    """Rules for manifests that no tag leads to; plain data, as a run's state keeps it.

    A manifest may go if every rule lets it. Those that something kept leads to, an index or
    a `subject`, stay whatever the rules say. Without any rule, all others may go.

    Raises ValueError: if a pattern of repositories is none, saying what is wrong with it.
    """

    keep_last: int = 0
    """So many of the newest untagged images of each repository stay, by the time of their
    links; children of an index and what is attached to an image are not counted."""
    older_than: float = 0.0
    """Seconds; what was pushed later than that before the run stays."""
    repositories: tuple[str, ...] = ()
    """Patterns of `core.globs`: only in repositories that match one; none: in all."""
    never_repositories: tuple[str, ...] = ()
    """Patterns: not in repositories that match one."""
    artifact_types: tuple[str, ...] = ()
    """Patterns of the shell's kind (`application/vnd.cncf.*`): only manifests whose artifact
    type, or config's media type, matches one; none: all."""
    never_artifact_types: tuple[str, ...] = ()
    """Patterns of the same kind: manifests that match one stay."""

    def __post_init__(self) -> None:
        for pattern in (*self.repositories, *self.never_repositories):
            try:
                found = Glob.parse(pattern)
            except ValueError as error:
                raise ValueError(f"pattern of repositories {pattern!r}: {error}") from None
            if found.names_user:
                raise ValueError(f"pattern of repositories {pattern!r}: there is no user here")


def apply_to(rules: Untagged, repository: str) -> bool:
    """Whether any manifest of a repository may go."""
    only, never = _globs(rules.repositories), _globs(rules.never_repositories)
    return (not only.globs or only.match(repository, "")) and not never.match(repository, "")


def keep_type(rules: Untagged, artifact_type: str) -> bool:
    """Whether manifests of this type stay."""
    only, never = rules.artifact_types, rules.never_artifact_types
    return (bool(only) and not _matches(artifact_type, only)) or _matches(artifact_type, never)


def _matches(artifact_type: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(artifact_type, pattern) for pattern in patterns)


@cache
def _globs(patterns: tuple[str, ...]) -> Globs:
    return Globs(Glob.parse(pattern) for pattern in patterns)
