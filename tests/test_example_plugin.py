"""The project that plugins.md quotes works: in place quickly, and installed as anyone would."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from entrepot.core import hookspecs
from entrepot.core.configuration import load
from entrepot.core.parameters import parameters
from entrepot.core.plugins import load_plugins
from entrepot.server.app import create_app

PROJECT = Path(__file__).parent / "example_plugin"
PAGE = Path(__file__).parents[1].joinpath("plugins.md").read_text()
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """What a program prints; it must succeed."""
    environment = {k: v for k, v in os.environ.items() if "REGISTRY_" not in k} | variables
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def push_and_pull(client: Any) -> None:
    """An image goes in by `client` and comes out equal."""
    layer, config = os.urandom(100_000), b"{}"
    for blob in (layer, config):
        started = client.post("/v2/mine/app/blobs/uploads/")
        assert started.status_code == 202, started.text
        place = started.headers["location"]
        put = client.put(place, params={"digest": digest(blob)}, content=blob)
        assert put.status_code == 201, put.text
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [described(layer, "application/vnd.oci.image.layer.v1.tar")],
        }
    ).encode()
    url = "/v2/mine/app/manifests/latest"
    assert client.put(url, content=manifest, headers={"content-type": MANIFEST}).is_success

    assert client.get(url, headers={"accept": MANIFEST}).content == manifest
    assert client.get(f"/v2/mine/app/blobs/{digest(layer)}").content == layer
    assert client.get("/v2/mine/app/tags/list").json() == {"name": "mine/app", "tags": ["latest"]}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def described(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def test_conformance_suite_passes_in_place() -> None:
    said = run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=PROJECT, PYTHONPATH=str(PROJECT))

    counted = re.compile(r"\d+ passed, \d+ skipped")
    assert counted.findall(said) == counted.findall(PAGE)


def test_page_shows_what_users_may_configure() -> None:
    point = EntryPoint("dictionary", "entrepot_dictionary", hookspecs.PROJECT)
    shown = [line.split() for line in PAGE.splitlines()]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(PROJECT), *sys.path])
        options = load_plugins(found=[point]).models.drivers["dictionary"]

    for row in parameters("dictionary", options):
        cells = f"{row.key} {row.type} {row.default} {row.meaning} {row.variable}"
        assert cells.split() in shown


def test_push_and_pull_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(PROJECT), *sys.path])
    point = EntryPoint("dictionary", "entrepot_dictionary", hookspecs.PROJECT)
    plugins = load_plugins(found=[point])
    variables = {"REGISTRY_STORAGE": "dictionary", "REGISTRY_STORAGE_DICTIONARY_CHUNK": "1000"}
    loaded = load(None, variables, plugins.models)

    with TestClient(create_app(loaded.configuration, plugins)) as client:
        push_and_pull(client)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plug-in as pip builds and installs it."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(target)]
    run("-m", "pip", "install", *options, str(PROJECT), cwd=target)
    return target


@pytest.fixture
def address(installed: Path, tmp_path: Path) -> Generator[str, None, None]:
    """Where a registry serves on the installed plug-in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    variables = {"REGISTRY_HTTP_ADDR": address, "REGISTRY_STORAGE": "dictionary"}
    environment = {k: v for k, v in os.environ.items() if "REGISTRY_" not in k} | variables
    environment["PYTHONPATH"] = str(installed)
    command = [sys.executable, "-m", "entrepot.server", "serve"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as process:
        try:
            answered(address)
            yield address
        finally:
            process.terminate()


def answered(address: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx2.get(f"http://{address}/v2/", timeout=5).raise_for_status()
        except httpx2.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.mark.real
def test_installed_plugin_is_listed(installed: Path) -> None:
    listed = run("-m", "entrepot.server", "plugins", cwd=installed, PYTHONPATH=str(installed))

    shown = [line.split() for line in PAGE.splitlines()]
    heading, *rows = [line.split() for line in listed.splitlines()]
    assert heading in shown
    for name in ("dictionary", "filesystem"):
        (row,) = (row for row in rows if row[0] == name)
        assert row in shown


@pytest.mark.real
def test_installed_plugin_can_be_switched_off(installed: Path) -> None:
    listed = run(
        *("-m", "entrepot.server", "plugins"),
        cwd=installed,
        PYTHONPATH=str(installed),
        ENTREPOT_DISABLE_PLUGINS="dictionary",
    )

    row = next(line for line in listed.splitlines() if line.startswith("dictionary"))
    assert row.endswith("disabled by ENTREPOT_DISABLE_PLUGINS")


@pytest.mark.real
def test_installed_plugin_passes_the_conformance_suite(installed: Path, tmp_path: Path) -> None:
    tests = str(PROJECT / "tests")
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]

    said = run("-m", "pytest", *options, tests, cwd=tmp_path, PYTHONPATH=str(installed))

    assert " passed" in said


@pytest.mark.real
def test_push_and_pull_through_the_installed_plugin(address: str) -> None:
    with httpx2.Client(base_url=f"http://{address}") as client:
        push_and_pull(client)
