"""Clients log in to a server that asks for a name and a password."""

import base64
import json
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest
from tests.real import engines
from tests.real.clients import COPIERS, Copier
from tests.real.engines import Engine
from tests.real.programs import refused, require_tool
from tests.real.servers import Server, StartEntrepot
from tests.real.site import Site
from tests.real.test_clients import pulled_digests

USER, PASSWORD = "alice", "s3cret"
HTPASSWD = f"{USER}:$2a$05$JqOgZAcpZDdgBnu9lsBwD.nWB77ddyIsflHL1TJ0NqDV4dnWgpMKO\n"


@pytest.fixture(scope="module")
def server(entrepot_server: StartEntrepot, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """Our server, which asks for a user name and a password."""
    users = tmp_path_factory.mktemp("users") / "htpasswd"
    users.write_text(HTPASSWD)
    return entrepot_server({"auth": {"htpasswd": {"realm": "quay", "path": str(users)}}})


@pytest.fixture(params=COPIERS)
def client(request: pytest.FixtureRequest) -> Copier:
    """Each of the clients without an engine."""
    return COPIERS[request.param]


@pytest.fixture
def logged_in(site: Site) -> Mapping[str, str]:
    """The environment of clients whose configuration holds the password."""
    secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    known = json.dumps({"auths": {site.server.address: {"auth": secret}}})
    for name in ("auth.json", "config.json"):
        (Path(site.env["HOME"]) / name).write_text(known)
    site.registry.http.auth = (USER, PASSWORD)
    return site.env


def test_client_with_a_password_pushes_and_pulls(
    client: Copier, site: Site, logged_in: Mapping[str, str]
) -> None:
    image = site.image("twelve")

    client.push(image, site.reference(), logged_in)
    client.pull(site.reference(), site.folder / "pulled", logged_in)

    assert pulled_digests(site.folder / "pulled") >= image.manifests | image.blobs


def test_client_without_a_password_is_turned_away(client: Copier, site: Site) -> None:
    command = client.push_command(site.image("twelve"), site.reference())

    refused(require_tool(client.name), *command, env=site.env)

    site.registry.http.auth = (USER, PASSWORD)
    assert site.registry.tags(site.repository) == []


@pytest.fixture(scope="module")
def docker() -> Generator[Engine, None, None]:
    """A Docker engine for this module."""
    with engines.docker() as engine:
        yield engine


def test_docker_logs_in(docker: Engine, site: Site, logged_in: Mapping[str, str]) -> None:
    COPIERS["skopeo"].push(site.image("twelve"), site.reference(), logged_in)

    wrong = ("login", "-u", USER, "-p", "wrong", site.server.address)
    refused(*docker.client, *wrong, env=docker.env)
    docker("login", "-u", USER, "-p", PASSWORD, site.server.address)
    docker("pull", "-q", site.reference())
    docker("tag", site.reference(), site.reference("again"))
    docker("push", "-q", site.reference("again"))

    site.registry.verify(site.repository, "again")


def test_containerd_sends_a_password(site: Site, logged_in: Mapping[str, str]) -> None:
    COPIERS["skopeo"].push(site.image("many"), site.reference(), logged_in)
    known = ("--plain-http", "--user", f"{USER}:{PASSWORD}")

    with engines.containerd() as containerd:
        containerd("images", "pull", *known, site.reference())
        containerd("images", "tag", site.reference(), site.reference("again"))
        containerd("images", "push", *known, site.reference("again"))

    site.registry.verify(site.repository, "again")
