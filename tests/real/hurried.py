"""The program, with the times of garbage collection divided: minutes become seconds.

    python hurried.py serve CONFIG

The protocol rests on the order of these times, which stays as it is; wrong ones are refused. A
store rounds as much as ever. Deletion begins a while after the second mark, as if the store were
so large that it took long; but not with `--at-once`. Batches are small, so that claims take less.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from entrepot.core.collecting import timing

TIMES = {
    "VISIBLE": 0.5,
    "LONGEST_PUSH": 3.0,
    "SLACK": 3.5,
    "SHORTEST_WAIT": 7.0,
    "ACT": 4.0,
    "DELETION": 4.0,
    "HELP": 5.0,
    "DEAD": 18.0,
    "PATIENCE": 1.0,
}
SLOWEST = TIMES["DEAD"]
"""Seconds that a claim of a killed collector may keep pushes waiting."""
BATCH = 16
GAP = 5.0
"""Seconds between second mark and deletion."""

COMMAND = [sys.executable, str(Path(__file__))]
AT_ONCE = "--at-once"


def hurry() -> None:
    """Before any module of the program takes its times."""
    for name, seconds in TIMES.items():
        setattr(timing, name, seconds)
    if wrong := timing.disorder():
        sys.exit(f"these times are in no order: {wrong}")
    from entrepot.core.collecting import runs

    runs.BATCH = BATCH


def linger() -> None:
    """Wait between second mark and deletion."""
    from entrepot.core.collecting.collector import Collector

    sweep = Collector._sweep  # pyright: ignore[reportPrivateUsage]

    async def sweep_later(*arguments: Any) -> None:
        await asyncio.sleep(GAP)
        await sweep(*arguments)

    setattr(Collector, "_sweep", sweep_later)  # noqa: B010 - it is given other parameters


def main() -> None:
    """Run the command line."""
    hurry()
    if AT_ONCE in sys.argv:
        sys.argv.remove(AT_ONCE)
    else:
        linger()
    from entrepot.server import cli

    cli.main()


if __name__ == "__main__":
    main()
