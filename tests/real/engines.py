"""Engines with a storage: podman and buildah, and Docker and containerd started by hand."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.real.programs import environment, require_tool, run, unavailable

__all__ = ["Engine", "containerd", "docker", "storage"]

CONTAINERD_SETTINGS = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{folder}/engine.sock"
[ttrpc]
  address = "{folder}/ttrpc.sock"
"""


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine and the client that speaks to it."""

    client: tuple[str, ...]
    env: Mapping[str, str]

    def __call__(self, *arguments: str | Path) -> str:
        """Run the client; it must succeed."""
        return run(*self.client, *arguments, env=self.env)


@contextmanager
def docker() -> Generator[Engine, None, None]:
    """A Docker engine of its own, without a bridge and without firewall rules."""
    with engine_folder() as folder:
        socket = f"unix://{folder}/engine.sock"
        command = (
            *(require_tool("dockerd"), "--host", socket),
            *("--data-root", folder / "data", "--exec-root", folder / "exec"),
            *("--pidfile", folder / "pid", "--bridge=none"),
            *("--iptables=false", "--ip6tables=false", "--insecure-registry=127.0.0.0/8"),
        )
        engine = Engine((require_tool("docker"), "--host", socket), environment(folder))
        with daemon(command, folder, (*engine.client, "version")):
            yield engine


@contextmanager
def containerd() -> Generator[Engine, None, None]:
    """A containerd of its own."""
    with engine_folder() as folder:
        settings = folder / "config.toml"
        settings.write_text(CONTAINERD_SETTINGS.format(folder=folder))
        client = (require_tool("ctr"), "--address", f"{folder}/engine.sock")
        command = (require_tool("containerd"), "--config", settings)
        with daemon(command, folder, (*client, "version")):
            yield Engine(client, environment(folder))


@contextmanager
def storage(program: str) -> Generator[Engine, None, None]:
    """podman or buildah with an image storage of its own."""
    with engine_folder() as folder:
        folders = ("--root", f"{folder}/storage", "--runroot", f"{folder}/run")
        client = Engine((require_tool(program), *folders), environment(folder))
        try:
            yield client
        finally:
            client("rmi", "--all", "--force")


@contextmanager
def engine_folder() -> Generator[Path, None, None]:
    """A folder for an engine; its path is short, as a socket's has to be."""
    if os.geteuid() != 0:
        unavailable("an engine needs root")
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def daemon(
    command: tuple[str | Path, ...], folder: Path, probe: tuple[str, ...], timeout: float = 60
) -> Generator[None, None, None]:
    """Run an engine until the block is left; ready when the probe succeeds."""
    log = folder / "engine.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(folder),
            start_new_session=True,
        )
    try:
        wait_until_ready(process, probe, log, timeout)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(
    process: subprocess.Popen[bytes], probe: tuple[str, ...], log: Path, timeout: float
) -> None:
    """Return when the engine answers; fail with its log when it ends or takes too long."""
    deadline = time.monotonic() + timeout
    while subprocess.run(probe, capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-3000:]
            pytest.fail(f"{process.args!r} is not ready:\n{said}", pytrace=False)
        time.sleep(0.2)
