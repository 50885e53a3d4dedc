"""The program, with the times of garbage collection divided: minutes become seconds.

    python hurried.py serve CONFIG

The protocol rests on the order of these times, which stays as it is. Deletion begins a while
after the second mark, as if the store were so large that it took long.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from entrepot.core.collecting import timing

SLOWEST = 12.0
"""Seconds that a claim of a killed collector may keep pushes waiting."""

timing.VISIBLE = 0.5
timing.LONGEST_PUSH = 2.0
timing.SLACK = 1.5
timing.SHORTEST_WAIT = 4.0
timing.ACT = 2.0
timing.DELETION = 8.0
timing.DEAD = SLOWEST
timing.PATIENCE = 1.0

GAP = 4.0
"""Seconds between second mark and deletion."""

COMMAND = [sys.executable, str(Path(__file__))]


def main() -> None:
    """Run the command line."""
    from entrepot.core.collecting.collector import Collector
    from entrepot.server import cli

    sweep = Collector._sweep  # pyright: ignore[reportPrivateUsage]

    async def sweep_later(*arguments: Any) -> None:
        await asyncio.sleep(GAP)
        await sweep(*arguments)

    setattr(Collector, "_sweep", sweep_later)  # noqa: B010 - it is given other parameters
    cli.main()


if __name__ == "__main__":
    main()
