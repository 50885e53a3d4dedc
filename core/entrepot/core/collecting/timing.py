"""The times that the protocol rests on, and the clock they are measured with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

VISIBLE = 5.0
"""Seconds after which every replica knows of a run that was published."""
LONGEST_PUSH = 60.0
"""Seconds between a push's last look at the runs and its last write; a slower one looks again."""
SLACK = 25.0
"""Seconds for a slow write of the marker, and for a store whose clock shows whole seconds."""
COARSENESS = 2.0
"""Seconds that a store may round the times of its objects by."""
SHORTEST_WAIT = VISIBLE + LONGEST_PUSH + SLACK
"""Seconds from the publication of a run to its second mark; by then what did not know of it is
over."""
ACT = 60.0
"""Seconds in which a collector acts on a claim it won; later, it leaves the batch."""
DELETION = 600.0
"""Seconds that one call of the driver's `delete` may take."""
HELP = 1800.0
"""Seconds up to which a claim may be old that another collector helps with."""
DEAD = 3600.0
"""Seconds after which a claim without an end is that of a collector that died."""
PATIENCE = 10.0
"""Seconds that a push waits for a collector that deletes what it needs."""


def uptime() -> float:
    """Seconds that also pass while the machine sleeps, where the system can tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def disorder() -> list[str]:
    """What the protocol rests on and these times do not give; something is lost unless it is empty.

    Ages are told by the store's clock, durations by that of a process.
    """
    needed = {
        "a push that knows nothing of a run is over before its second mark": (
            VISIBLE + LONGEST_PUSH + COARSENESS < SHORTEST_WAIT
        ),
        "a collector is done with its claim before a push takes it for dead": (
            ACT + DELETION + COARSENESS < DEAD
        ),
        "who helps with a claim is done before a push takes it for dead": (
            HELP + ACT + DELETION + COARSENESS < DEAD
        ),
        "a push that has to wait for a collector is not too slow by that": PATIENCE < LONGEST_PUSH,
    }
    return [what for what, holds in needed.items() if not holds]


@dataclass(frozen=True, slots=True)
class Timing:
    """A clock in seconds that never goes back, and how to wait by it."""

    clock: Callable[[], float] = uptime
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


REAL = Timing()
