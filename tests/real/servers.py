"""Registry servers of these tests: ours and Distribution's, each a process of its own."""

import json
import os
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import pytest
from tests.real.programs import clean_environment, require_tool, run

__all__ = [
    "Server",
    "StartDistribution",
    "StartEntrepot",
    "default_config",
    "distribution_program",
    "entrepot_command",
    "free_port",
    "garbage_collect",
]

Settings = Mapping[str, object]


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def entrepot_command() -> list[str]:
    """How our server is started; ENTREPOT_TEST_SERVER puts another one in its place."""
    return shlex.split(os.environ.get("ENTREPOT_TEST_SERVER", "")) or [
        sys.executable,
        "-m",
        "entrepot.server",
    ]


def distribution_program(version: str) -> str:
    """The program of Distribution `2` or `3`."""
    return require_tool(f"registry-v{version}")


@dataclass(slots=True)
class Server:
    """A running registry; `stop` ends the process and only that."""

    command: list[str]
    folder: Path
    root: Path
    config: Settings
    address: str
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Scheme and address."""
        return f"{'https' if 'tls' in str(self.config['http']) else 'http'}://{self.address}"

    @property
    def prefix(self) -> str:
        """What all its paths begin with."""
        return str(cast("Settings", self.config["http"]).get("prefix", "/"))

    @property
    def log(self) -> Path:
        """Where the server's output goes."""
        return self.folder / "server.log"

    @property
    def config_file(self) -> Path:
        """The configuration it was started with; JSON, which is YAML."""
        return self.folder / "config.yml"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self.process is not None
        return self.process.pid

    def start(self, timeout: float = 30) -> "Server":
        """Start and wait until it answers; fails the test with the log if it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text(json.dumps(self.config, indent=2))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "serve", str(self.config_file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**clean_environment(), **self.env},
                cwd=self.folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout
        while not answers(f"{self.url}{self.prefix}v2/"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"{shlex.join(self.command)} did not start:\n{self.log_tail()}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """Ask the server to end; end its process group when it has not after 10 s."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the server and its workers with no chance to tidy up."""
        assert self.process is not None
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def log_tail(self, size: int = 6000) -> str:
        """The end of the log."""
        return self.log.read_text(errors="replace")[-size:]


class StartEntrepot(Protocol):
    """Starts our server: sections given replace those of the default configuration."""

    def __call__(
        self,
        config: Mapping[str, object] | None = None,
        *,
        root: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Server: ...


class StartDistribution(Protocol):
    """Starts Distribution `2` or `3`, over a given folder or one of its own, or as configured."""

    def __call__(
        self,
        version: str,
        root: Path | None = None,
        config: Mapping[str, object] | None = None,
    ) -> Server: ...


def answers(url: str) -> bool:
    """Whether a registry answers there, also if it wants a login or a certificate first."""
    try:
        with urllib.request.urlopen(url, timeout=5, context=anyone()) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        with error:
            return error.code == 401
    except OSError as error:
        return "CERTIFICATE_REQUIRED" in str(error)


def anyone() -> ssl.SSLContext:
    """TLS with whoever is there: to see that a server is up, no matter whose it is."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def default_config(root: Path, address: str) -> dict[str, object]:
    """A configuration that every registry here reads: files, deletion on, loopback."""
    return {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {
            "filesystem": {"rootdirectory": str(root)},
            "delete": {"enabled": True},
        },
        "http": {"addr": address},
    }


def garbage_collect(version: str, server: Server, *flags: str) -> str:
    """Run Distribution's own collector over a server's storage; returns what it said."""
    config = server.folder / "collect.yml"
    config.write_text(json.dumps(server.config))
    return run(distribution_program(version), "garbage-collect", *flags, config)
