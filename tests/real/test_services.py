"""The storage servers as `run.py` starts and stops them, in a folder of their own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import httpx2
import pytest
from tests.real.programs import unavailable
from tests.services.catalogue import SERVICES
from tests.services.processes import Process, runs
from tests.services.running import TOP, services_folder

LIGHT = ("ministack", "fake-gcs-server", "sftp", "webdav")
Run = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that has what is installed for the light servers, and nothing else."""
    installed = services_folder().resolve()
    for name in LIGHT:
        if not SERVICES[name].installed(installed / name):
            unavailable(f"{name} is not installed: python tests/services/run.py install {name}")
        (tmp_path / name).mkdir()
        if (installed / name / "venv").exists():
            (tmp_path / name / "venv").symlink_to(installed / name / "venv")
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Generator[Run, None, None]:
    """Runs the script on that folder; nothing runs there afterwards."""

    def run(*arguments: str) -> str:
        script = TOP / "tests" / "services" / "run.py"
        done = subprocess.run(
            (sys.executable, script, *arguments),
            env=os.environ | {"ENTREPOT_SERVICES": str(folder)},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    yield run
    run("stop")


def values(folder: Path, name: str) -> dict[str, str]:
    """What a client has to know of a server that runs."""
    saved: dict[str, dict[str, str]] = json.loads((folder / "run" / f"{name}.json").read_text())
    return saved["values"]


def processes(folder: Path, name: str) -> list[Process]:
    """The processes of a server that runs."""
    saved: dict[str, list[int]] = json.loads((folder / "run" / f"{name}.json").read_text())
    return [Process(*each) for each in zip(saved["pids"], saved["began"], strict=True)]


def test_light_servers_start_serve_and_stop(run: Run, folder: Path) -> None:
    run("start", *LIGHT)
    run("status")

    bucket = httpx2.put(f"{values(folder, 'ministack')['endpoint']}/bucket")
    made = httpx2.post(
        f"{values(folder, 'fake-gcs-server')['endpoint']}/storage/v1/b?project=test",
        json={"name": "bucket"},
    )
    webdav = values(folder, "webdav")
    login = (webdav["user"], webdav["password"])
    stored = httpx2.put(f"{webdav['url']}/object", content=b"stored", auth=login)
    refused = httpx2.put(f"{webdav['url']}/other", content=b"refused")
    started = [each for name in LIGHT for each in processes(folder, name)]

    assert (bucket.status_code, made.status_code) == (200, 200)
    assert (stored.status_code, refused.status_code) == (201, 401)
    assert (folder / "webdav" / "data" / "object").read_bytes() == b"stored"
    assert list_by_sftp(values(folder, "sftp"), folder) == ["hello"]
    assert all(runs(each) for each in started)
    run("wipe")
    assert len(started) == len(LIGHT)
    assert not any(runs(each) for each in started)
    assert not (folder / "webdav" / "data").exists()


def list_by_sftp(values: dict[str, str], folder: Path) -> list[str]:
    """What a client sees that knows the server's key and has the user's."""
    program = shutil.which("sftp")
    if program is None:
        unavailable("sftp is not here")
    (Path(values["root"]) / "hello").write_text("hello")
    (folder / "batch").write_text("ls -1\n")
    options = (f"UserKnownHostsFile={values['known_hosts']}", "StrictHostKeyChecking=yes")
    done = subprocess.run(
        (
            *(program, "-q", "-b", folder / "batch", "-i", values["key"], "-P", values["port"]),
            *(part for option in options for part in ("-o", option)),
            f"{values['user']}@{values['host']}",
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith("sftp>")]
