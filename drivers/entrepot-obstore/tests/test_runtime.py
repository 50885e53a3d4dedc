"""How many threads obstore gets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, os
from entrepot_obstore import ObstoreOptions, open_obstore

async def main():
    async with open_obstore(ObstoreOptions(url="memory:///")):
        print(len(os.listdir("/proc/self/task")), os.environ.get("TOKIO_WORKER_THREADS"))

asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux does")
def test_one_thread_unless_the_environment_says_how_many() -> None:
    one, none = said({})
    eight, kept = said({"TOKIO_WORKER_THREADS": "8"})

    assert int(eight) - int(one) == 7
    assert (none, kept) == ("None", "8")


def said(environment: dict[str, str]) -> list[str]:
    """Threads of a process of its own with a store open, and the variable as it is then."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("TOKIO")}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, env=inherited | environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


def test_process_that_has_used_it_ends_in_peace() -> None:
    for _ in range(8):
        assert said({})[1] == "None"
