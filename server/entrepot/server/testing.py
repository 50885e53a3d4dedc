"""A pytest plug-in: a real registry for the tests of other projects.

It comes with the installed package; a test asks for the fixture `entrepot_registry`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass

import pytest

_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class RunningRegistry:
    """A registry that keeps everything in memory and allows deletion."""

    address: str  # host:port
    process_id: int

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@pytest.fixture(scope="session")
def entrepot_registry() -> Generator[RunningRegistry, None, None]:
    """A registry on a free loopback port for the whole test session, empty at its start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {key: value for key, value in os.environ.items() if "REGISTRY_" not in key} | {
        "REGISTRY_HTTP_ADDR": address,
        "REGISTRY_STORAGE": "inmemory",
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
        "REGISTRY_LOG_ACCESSLOG_DISABLED": "true",
    }
    command = [sys.executable, "-m", "entrepot.server", "serve"]
    with subprocess.Popen(command, env=environment) as process:
        try:
            _wait(process, address)
            yield RunningRegistry(address, process.pid)
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the registry ended with status {process.returncode} at its start")
        try:
            with urllib.request.urlopen(f"http://{address}/v2/", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail(f"the registry did not answer on {address} for {_START_SECONDS:g} seconds")
