"""The real programs that these tests run, and how a missing one is reported."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import pytest
from tests.tools.install import tools_folder

__all__ = ["clean_environment", "environment", "refused", "require_tool", "run", "unavailable"]


def unavailable(reason: str) -> NoReturn:
    """Skip the test on a contributor's machine, fail it where CI is set."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def require_tool(name: str) -> str:
    """The path of an installed program; without it the test is `unavailable`."""
    found = shutil.which(name, path=str(tools_folder() / "bin")) or shutil.which(name)
    if found is None:
        unavailable(f"{name} is not here: python tests/tools/install.py {name}")
    return found


def clean_environment() -> dict[str, str]:
    """This environment without what a registry or its tests would take for settings."""
    ours = ("REGISTRY_", "OCI_", "AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return kept | {"OTEL_TRACES_EXPORTER": "none", "NO_PROXY": "127.0.0.1"}


def environment(home: Path) -> dict[str, str]:
    """The environment of a client: no credentials or settings but those under `home`."""
    (home / "auth.json").write_text("{}")
    return clean_environment() | {
        "HOME": str(home),
        "DOCKER_CONFIG": str(home),
        "REGISTRY_AUTH_FILE": str(home / "auth.json"),
        "REGCTL_CONFIG": str(home / "regctl.json"),
    }


def run(
    *command: str | Path,
    env: Mapping[str, str] | None = None,
    timeout: float = 120,
    stdin: bytes = b"",
) -> str:
    """Standard output of a command that must succeed within `timeout` seconds."""
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, env=env, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as expired:
        said = (expired.stderr or b"").decode(errors="replace")[-2000:]
        pytest.fail(f"{shown(command)}: not done after {timeout:g} s\n{said}")
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")[-4000:]
        pytest.fail(f"{shown(command)}: exit code {done.returncode}\n{said}")
    return done.stdout.decode()


def refused(*command: str | Path, env: Mapping[str, str], timeout: float = 60) -> str:
    """What a command said that must fail by itself within `timeout` seconds."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=env,
        timeout=timeout,
        check=False,
    )
    assert done.returncode, f"{shown(command)} was to fail"
    return (done.stdout + done.stderr).decode(errors="replace")


def shown(command: tuple[str | Path, ...]) -> str:
    """A command as one would type it."""
    return " ".join(map(str, command))
