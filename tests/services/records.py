"""What is known of the servers that run: one file each, which `running.py` reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services.processes import Process
from tests.services.running import services_folder

__all__ = ["forget", "remember", "remembered"]


def remember(name: str, processes: Sequence[Process], values: Mapping[str, str]) -> None:
    """Save a server's processes and what its clients have to know, whole or not at all."""
    path = _path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    saved = {
        "pids": [each.pid for each in processes],
        "began": [each.began for each in processes],
        "values": dict(values),
    }
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(saved, indent=2) + "\n", encoding="utf-8")
    new.replace(path)


def remembered(name: str) -> tuple[list[Process], dict[str, str]]:
    """The processes and values of a server; none of either if it was not started."""
    try:
        saved = json.loads(_path(name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [], {}
    pids, began = saved["pids"], saved.get("began", [])
    return [Process(*each) for each in zip(pids, began, strict=False)], saved["values"]


def forget(name: str) -> None:
    """Drop what was saved."""
    _path(name).unlink(missing_ok=True)


def _path(name: str) -> Path:
    return services_folder() / "run" / f"{name}.json"
