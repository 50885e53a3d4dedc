"""The registries that are measured: found, configured alike, started and ended."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.failures import BenchmarkError
from benchmarks.storages import FILESYSTEM, SHARED, Storage, open_storage
from benchmarks.wire import Address, Connection

__all__ = ["OURS", "PEERS", "Program", "Server", "configuration", "find", "free_port", "running"]

OURS = "ours"
PEERS = {"v3": "registry-v3", "v2": "registry-v2"}

_TOP = Path(__file__).resolve().parents[1]
_STARTING = 60  # seconds
_STOPPING = 15  # seconds
_OUR_PACKAGES = ("entrepot", "granian", "starlette", "uvloop", "fsspec", "rehashes")


@dataclass(frozen=True, slots=True)
class Program:
    """A registry that can be started."""

    name: str
    title: str
    version: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Server:
    """A registry that runs."""

    program: Program
    pid: int
    address: Address
    folder: Path
    storage: Storage
    start_seconds: float  # from the start of the process until /v2/ answered


def find(names: Sequence[str], ours: str, backend: str = FILESYSTEM) -> list[Program]:
    """The programs of those names; the peers that are here if none is named.

    Raises BenchmarkError: if one that was named is not here, or has no such backend.
    """
    programs = [_ours(ours)] if not names or OURS in names else []
    for name, file in PEERS.items():
        if backend not in SHARED[name]:
            if name in names:
                raise BenchmarkError(f"{file} cannot store on {backend}")
            continue
        path = _peer_path(file)
        if path and (not names or name in names):
            programs.append(_distribution(name, path))
        elif name in names:
            raise BenchmarkError(f"{file} is not here: python tests/tools/install.py {file}")
    return programs


@contextmanager
def running(
    program: Program,
    folder: Path,
    backend: str = FILESYSTEM,
    more: Mapping[str, object] | None = None,
) -> Generator[Server, None, None]:
    """Start a registry over an empty storage; its process group ends with the block.

    `more` are further sections of its configuration.
    """
    folder.mkdir()
    address = ("127.0.0.1", free_port())
    config = folder / "config.yml"
    with (
        open_storage(backend, folder / "root") as storage,
        (folder / "server.log").open("wb") as log,
    ):
        config.write_text(json.dumps(configuration(storage, address) | dict(more or {}), indent=2))
        begun = time.monotonic()
        process = subprocess.Popen(
            [*program.command, "serve", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**_environment(), **program.env},
            cwd=folder,
            start_new_session=True,
        )
        try:
            _wait(process, address, folder / "server.log")
            started = time.monotonic() - begun
            yield Server(program, process.pid, address, folder, storage, started)
        finally:
            _stop(process)


def configuration(storage: Storage, address: Address) -> dict[str, object]:
    """What every registry here is started with; JSON, which is YAML."""
    return {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            **storage.section,
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"addr": f"{address[0]}:{address[1]}"},
    }


def _ours(command: str) -> Program:
    asked = f"import importlib.metadata as m; print(*map(m.version, {_OUR_PACKAGES!r}))"
    said = _output([sys.executable, "-c", asked]).split()
    if len(said) != len(_OUR_PACKAGES):
        raise BenchmarkError(f"entrepot is not installed for {sys.executable}")
    parts = [f"{name} {version}" for name, version in zip(_OUR_PACKAGES, said, strict=True)]
    version = ", ".join([*parts, f"Python {sys.version.split()[0]}", _commit()])
    started = shlex.split(command) or [sys.executable, "-m", "entrepot.server"]
    return Program(OURS, f"entrepot {said[0]}", version, started)


def _commit() -> str:
    return f"commit {_output(['git', '-C', str(_TOP), 'describe', '--always', '--dirty']) or '?'}"


def _distribution(name: str, path: str) -> Program:
    said = _output([path, "--version"])
    number = re.search(r"\d+\.\d+\.\d+", said.split()[-1] if said else "")
    title = f"Distribution {number[0] if number else name}"
    return Program(name, title, said, [path], {"OTEL_TRACES_EXPORTER": "none"})


def _peer_path(file: str) -> str | None:
    tools = Path(os.environ.get("ENTREPOT_TOOLS") or _TOP / ".tools") / "bin"
    return shutil.which(file, path=str(tools.resolve())) or shutil.which(file)


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def _environment() -> dict[str, str]:
    """This environment without what a registry would take for settings."""
    settings = ("REGISTRY_", "AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR_")
    return {name: value for name, value in os.environ.items() if not name.startswith(settings)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait(process: subprocess.Popen[bytes], address: Address, log: Path) -> None:
    deadline = time.monotonic() + _STARTING
    while not _answers(address):
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-3000:]
            raise BenchmarkError(f"a server did not start: {process.args!r}\n{said}")
        time.sleep(0.005)


def _answers(address: Address) -> bool:
    try:
        with Connection(address) as connection:
            return connection.ask("GET", "/v2/").status in {200, 401}
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOPPING)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
