"""What tests of health, metrics and traces share: the debug pages, and patience."""

import time
from collections.abc import Callable
from typing import Any

import httpx2
from tests.real.servers import free_port

__all__ = ["debugged", "status", "until"]

SECONDS = 20.0


def until(true: Callable[[], bool], what: str) -> None:
    """Ask again and again; fails with a text when it takes too long."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def status(url: str) -> int:
    """The status of a GET."""
    return httpx2.get(url, timeout=10).status_code


def debugged(**more: Any) -> tuple[str, dict[str, object]]:
    """The URL of the debug pages, and a section `http` that has them."""
    address = f"127.0.0.1:{free_port()}"
    return f"http://{address}", {
        "debug": {"addr": address, "prometheus": {"enabled": True}},
        **more,
    }
