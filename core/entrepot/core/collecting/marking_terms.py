"""What a mark is asked and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from entrepot.core import layout
from entrepot.core.collecting.untagged import Untagged
from entrepot.core.names import Digest, RepositoryName

_TOLD = 1000  # repositories left alone whose names a report keeps


@dataclass(frozen=True, slots=True)
class Garbage:
    """A key that nothing leads to.

    `repository` is "" for a blob, `size` the bytes that its deletion frees (0 for a link), and
    `reason` is for people.
    """

    kind: Literal["revision", "layer", "blob"]
    repository: str
    digest: Digest
    size: int
    reason: str

    @property
    def key(self) -> str:
        """Where it is on the store."""
        if self.kind == "blob":
            return layout.blob(self.digest)
        name = RepositoryName(self.repository)
        if self.kind == "layer":
            return layout.layer_link(name, self.digest)
        return layout.revision_link(name, self.digest)


@dataclass(frozen=True, slots=True)
class MarkOptions:
    """What counts as garbage.

    `grace` is in seconds; `now` in seconds since the epoch on the store's own clock. Whatever
    was written later than `grace` before `now` is reachable. Without `untagged` every
    manifest that has a link is.
    """

    grace: float
    now: float
    untagged: Untagged | None = None

    @property
    def oldest_young(self) -> float:
        """When the oldest object was written that is too young to be garbage."""
        return self.now - self.grace


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A repository of which nothing is garbage, and why."""

    repository: str
    reason: str


@dataclass(slots=True)
class MarkReport:
    """How far a mark is; its counts grow while it runs, links being counted as layers."""

    repositories: int = 0
    manifests: int = 0
    layers: int = 0
    blobs: int = 0
    damaged: int = 0
    """Repositories left alone; `left_alone` has the first thousand of them."""
    left_alone: list[LeftAlone] = field(default_factory=list[LeftAlone])

    def leave_alone(self, repository: str, reason: str) -> None:
        self.damaged += 1
        if len(self.left_alone) < _TOLD:
            self.left_alone.append(LeftAlone(repository, reason))
