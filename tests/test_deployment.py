"""The files under docs/deployment: linted, and what they configure is what the registry takes."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer.main
import yaml

from entrepot.core.configuration import Configuration, load
from entrepot.core.plugins import load_plugins
from entrepot.server.cli import app

FOLDER = Path(__file__).parents[1] / "docs" / "deployment"
PROGRAMS = Path(sys.executable).parent
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all((FOLDER / "kubernetes.yml").read_text()))


def by_kind(kind: str) -> dict[str, Any]:
    (found,) = (one for one in MANIFESTS if one["kind"] == kind)
    return found


def configured(path: Path | None, variables: Mapping[str, str]) -> Configuration:
    loaded = load(path, variables, load_plugins().models)
    assert loaded.notes == ()
    return loaded.configuration


def test_dockerfile_has_nothing_to_complain_about() -> None:
    command = [PROGRAMS / "hadolint", FOLDER / "Dockerfile"]

    linted = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (linted.returncode, linted.stdout) == (0, "")


def test_image_takes_no_more_than_installing_needs() -> None:
    ignored = (FOLDER.parents[1] / ".dockerignore").read_text().splitlines()

    assert ignored[1] == "*"
    copied = {line[1:] for line in ignored if line.startswith("!")}
    assert copied == {
        "LICENSE",
        "README.md",
        "core",
        "docs/deployment",
        "drivers",
        "pyproject.toml",
        "server",
    }


def test_image_takes_every_command_by_its_name(tmp_path: Path) -> None:
    script = (FOLDER / "entrypoint.sh").read_text().replace("/opt/entrepot/bin/entrepot", "echo")
    (tmp_path / "entrypoint.sh").write_text(script)
    group = typer.main.get_group(app)
    commands = sorted(group.commands)

    taken = [
        subprocess.run(
            ["sh", tmp_path / "entrypoint.sh", command], capture_output=True, text=True, check=False
        ).stdout.strip()
        for command in commands
    ]

    assert taken == commands
    assert "garbage-collect" in commands


def test_image_is_configured_like_distributions() -> None:
    configuration = configured(FOLDER / "config.yml", {})

    assert configuration.http.addr == ":5000"
    assert configuration.storage.driver == "filesystem"
    assert configuration.storage.parameters == {"rootdirectory": "/var/lib/registry"}
    assert configuration.storage.delete.enabled
    assert configuration.health.storagedriver.threshold == 3


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda one: one["kind"])
@pytest.mark.parametrize("version", ["1.28", "1.34"])
def test_kubernetes_takes_each_manifest(manifest: dict[str, Any], version: str) -> None:
    assert kubernetes_validate.validate(manifest, version, strict=True) == version


def test_kubernetes_configuration_and_variables_are_good(tmp_path: Path) -> None:
    (container,) = by_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    (tmp_path / "config.yml").write_text(by_kind("ConfigMap")["data"]["config.yml"])
    secrets = by_kind("Secret")["stringData"]
    variables = {
        one["name"]: secrets[one["valueFrom"]["secretKeyRef"]["key"]] for one in container["env"]
    }

    configuration = configured(tmp_path / "config.yml", variables)

    assert configuration.storage.parameters["accesskey"] == "change-me"
    pod = by_kind("Deployment")["spec"]["template"]["spec"]
    drain = configuration.http.draintimeout.seconds
    assert pod["terminationGracePeriodSeconds"] > drain
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert configuration.http.addr == f":{ports['registry']}"
    assert configuration.http.debug.addr == f":{ports['debug']}"


def test_kubernetes_pod_may_do_as_little_as_the_image_needs() -> None:
    pod = by_kind("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert f"USER {pod['securityContext']['runAsUser']}:" in (FOLDER / "Dockerfile").read_text()
    assert container["securityContext"]["readOnlyRootFilesystem"]
    probes = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")}
    assert probes == {"/livez", "/readyz"}
    selector = by_kind("Service")["spec"]["selector"]
    labels = by_kind("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert selector.items() <= labels.items()


def test_compose_variables_are_good(tmp_path: Path) -> None:
    compose = yaml.safe_load((FOLDER / "compose.yml").read_text())
    variables = dict(compose["services"]["registry-1"]["environment"])
    for name, path in variables.items():
        if name.endswith("_FILE"):
            secret = tmp_path / Path(path).name
            secret.write_text(f"{secret.name}\n")
            variables[name] = str(secret)

    configuration = configured(None, variables | {"REGISTRY_CONFIGURATION_PATH": ""})

    assert configuration.storage.driver == "s3"
    assert configuration.storage.parameters["secretkey"] == "secretkey"
    assert configuration.http.host == "https://registry.example.com"


def test_compose_file_names_only_what_it_declares() -> None:
    compose = yaml.safe_load((FOLDER / "compose.yml").read_text())

    for service in compose["services"].values():
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        assert set(service.get("networks", [])) <= set(compose["networks"])
        assert set(service.get("depends_on", [])) <= set(compose["services"])
    proxied = (FOLDER / "nginx.conf").read_text()
    for name in ("registry-1", "registry-2"):
        assert f"server {name}:5000;" in proxied


def test_page_shows_the_location_from_which_nginx_sends_blobs() -> None:
    page = (FOLDER.parent / "redirects.md").read_text()
    shown = re.search(r"```nginx\n(.*?)```", page, re.DOTALL)
    assert shown is not None

    assert textwrap.indent(shown[1], 4 * " ") in (FOLDER / "nginx-files.conf").read_text()
    configured = re.search(r"```yaml\n([^`]*X-Accel-Redirect.*?)```", page, re.DOTALL)
    assert configured is not None
    http = yaml.safe_load(configured[1])["http"]
    assert f"location ^~ {http['sendfile']['prefix']} {{\n  internal;" in shown[1]
