"""An event on its way to one endpoint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Letter:
    """An event as it is written in a request of type `content_type`.

    Of one that is in the outbox, `number` is its place there, and `refusals` how often the
    receiver refused it.
    """

    endpoint: str
    id: str  # the event's
    action: str
    subject: str  # what it happened to, for people
    moment: float  # seconds since the epoch
    content_type: str
    body: bytes
    number: int = 0
    refusals: int = 0

    @property
    def is_dear(self) -> bool:
        """Whether losing it would hide a change of the registry: all but pulls."""
        return self.action != "pull"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A letter that is not tried any more, as people see it."""

    number: int
    endpoint: str
    id: str
    action: str
    subject: str
    moment: float
    reason: str
    size: int  # bytes
