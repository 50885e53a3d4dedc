"""How long to wait before a request is sent again."""

from __future__ import annotations

import random

_FIRST = 0.2  # seconds
_LONGEST = 5.0


def pause(attempt: int, asked: float = 0.0) -> float:
    """Seconds before the try behind `attempt`, of which 0 is the first, spread at random.

    At least what the server asked for, within a bound: the client of the registry waits, too.
    """
    most = min(_FIRST * 2**attempt, _LONGEST)
    return max(random.uniform(most / 2, most), min(asked, _LONGEST))  # noqa: S311 - no secret
