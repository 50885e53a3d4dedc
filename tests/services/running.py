"""Where the storage servers are that `run.py` started, for the tests that need one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.real.programs import unavailable

TOP = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Service:
    """A running server: its processes, and what a client has to know of it."""

    name: str
    pids: tuple[int, ...]
    values: Mapping[str, str]

    def __getitem__(self, key: str) -> str:
        return self.values[key]


def address_of(url: str) -> tuple[str, int]:
    """The host and port that a service's URL names."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def services_folder() -> Path:
    """What ENTREPOT_SERVICES names; `.services` at the top of the repository by default."""
    return Path(os.environ.get("ENTREPOT_SERVICES") or TOP / ".services")


def find_service(name: str) -> Service | None:
    """The service, if `run.py` started it and it still runs."""
    path = services_folder() / "run" / f"{name}.json"
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    service = Service(name, tuple(saved["pids"]), saved["values"])
    return service if all(_runs(pid) for pid in service.pids) else None


def require_service(name: str) -> Service:
    """A running service; without it the test skips, and fails where CI is set."""
    service = find_service(name)
    if service is None:
        unavailable(f"{name} does not run: python tests/services/run.py start {name}")
    return service


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
