"""Health of several workers: each says how it is in a file, the process above reads them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from entrepot.server.health.status import Health

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names what several workers share with the process above."""

_LOG = logging.getLogger("entrepot.server.health")


def share(health: Health, folder: Path) -> None:
    """Keep the file of this process there up to date."""
    path = folder / f"health_{os.getpid()}.json"

    def write(changed: Health) -> None:
        temporary = path.with_suffix(".new")
        try:
            temporary.write_text(json.dumps(dict(changed.failing)))
            temporary.replace(path)
        except OSError as error:
            _LOG.error("health cannot be told to the other processes: %s", error)

    health.changed = write
    write(health)


def shared(folder: Path) -> Mapping[str, str]:
    """What fails in any worker that lives; files of those that ended are removed."""
    found: dict[str, str] = {}
    for failing in _failures(folder):
        found |= failing
    return found


def _failures(folder: Path) -> Iterator[Mapping[str, str]]:
    for path in folder.glob("health_*.json"):
        if not is_alive(int(path.stem.partition("_")[2])):
            path.unlink(missing_ok=True)
            continue
        with suppress(FileNotFoundError):
            failing: Any = json.loads(path.read_text())
            yield failing


def is_alive(process: int) -> bool:
    """Whether there is a process of this id that is ours."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
