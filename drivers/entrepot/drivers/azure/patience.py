"""How long Azure is waited for, and how often it is asked again."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """The bounds of every request; times in seconds."""

    retries: int = 5
    delay: float = 0.1  # before the first new try
    longest_delay: float = 10.0
    total: float = 60.0  # in which new tries may begin, and a request waits for its turn
    connect: float = 5.0
    answer: float = 60.0  # of one try
    silence: float = 30.0  # of a body that is read, before the rest is asked for anew
    copying: float = 120.0  # of one try that has Azure copy
    opening: float = 10.0  # in which the container has to answer at the start

    def pause(self, tried: int, at_least: float) -> float:
        """Seconds before the next try; different each time, so that replicas spread out."""
        longest = min(self.delay * 2.0 ** (tried - 1), self.longest_delay)
        pause: float = longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        return max(pause, at_least)
