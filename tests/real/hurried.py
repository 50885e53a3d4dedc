"""The program, with the times of garbage collection divided: minutes become seconds.

    python hurried.py serve CONFIG

The protocol rests on the order of these times, which stays as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

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

COMMAND = [sys.executable, str(Path(__file__))]

if __name__ == "__main__":
    from entrepot.server.cli import main

    main()
