"""Clients that send passwords, or none, as far as an access policy lets them."""

import base64
import json
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.real import engines
from tests.real.clients import COPIERS, Copier
from tests.real.engines import Engine
from tests.real.programs import refused, require_tool
from tests.real.servers import Server, StartEntrepot
from tests.real.site import Site
from tests.real.test_access import HTPASSWD, PASSWORD, USER
from tests.real.test_clients import pulled_digests

RULES = [
    {"anonymous": True, "repositories": ["**"], "actions": ["pull"]},
    {"users": [USER], "repositories": ["real/**"], "actions": ["push"]},
]


@pytest.fixture(scope="module")
def server(entrepot_server: StartEntrepot, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """Our server, from which everybody may pull, and to which one user may push."""
    users = tmp_path_factory.mktemp("users") / "htpasswd"
    users.write_text(HTPASSWD)
    htpasswd = {"realm": "quay", "path": str(users)}
    return entrepot_server({"auth": {"htpasswd": htpasswd}, "access": {"rules": RULES}})


@pytest.fixture
def pushed(site: Site) -> Site:
    """A site whose repository holds an image."""
    secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    known = Path(site.env["HOME"]) / "auth.json"
    before = known.read_text()
    known.write_text(json.dumps({"auths": {site.server.address: {"auth": secret}}}))
    COPIERS["skopeo"].push(site.image("twelve"), site.reference(), site.env)
    known.write_text(before)
    return site


@pytest.mark.parametrize("client", COPIERS.values(), ids=COPIERS)
def test_client_pulls_without_a_password_and_pushes_nothing(client: Copier, pushed: Site) -> None:
    image, folder = pushed.image("twelve"), pushed.folder / "pulled"

    client.pull(pushed.reference(), folder, pushed.env)
    push = client.push_command(image, pushed.reference("2"))
    refused(require_tool(client.name), *push, env=pushed.env)

    assert pulled_digests(folder) >= image.manifests | image.blobs
    assert pushed.registry.tags(pushed.repository) == ["1"]


@pytest.fixture
def docker() -> Generator[Engine, None, None]:
    with engines.docker() as engine:
        yield engine


def test_docker_without_a_password_gives_up_by_itself(docker: Engine, pushed: Site) -> None:
    said = refused(*docker.client, "pull", "-q", pushed.reference(), env=docker.env)

    assert "no basic auth credentials" in said


def test_user_deletes_nothing_without_the_right(pushed: Site) -> None:
    pushed.registry.http.auth = (USER, PASSWORD)

    assert pushed.registry.delete(pushed.repository, "1") == 403
    assert pushed.registry.http.get("/v2/_catalog").status_code == 403
