"""Clients get tokens from a token server of another make, and our server believes them."""

import base64
import json
import time
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest
from tests.real import engines
from tests.real.clients import COPIERS, Copier
from tests.real.programs import refused, require_tool
from tests.real.registry import Registry, hexadecimal
from tests.real.servers import Server, StartEntrepot
from tests.real.site import Site
from tests.real.test_clients import pulled_digests
from tests.real.token_server import PASSWORDS, TokenServer, serve_tokens

PATIENCE = 20  # seconds for a token to end that was made to end soon


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Generator[TokenServer, None, None]:
    """The token server."""
    with serve_tokens(tmp_path_factory.mktemp("tokens")) as server:
        yield server


@pytest.fixture(scope="module")
def server(entrepot_server: StartEntrepot, tokens: TokenServer) -> Server:
    """Our server, which trusts the token server; oras gets no tokens from another host here."""
    server = entrepot_server({"auth": tokens.section})
    server.address = server.address.replace("127.0.0.1", "localhost")
    return server


@pytest.fixture(params=COPIERS)
def client(request: pytest.FixtureRequest) -> Copier:
    """Each of the clients without an engine."""
    return COPIERS[request.param]


@pytest.fixture
def site(site: Site, tokens: TokenServer) -> Site:
    """The site, whose plain requests may do everything with its repository."""
    authorize(site.registry, tokens.token("alice", f"repository:{site.repository}:pull,push"))
    return site


def authorize(registry: Registry, token: str) -> None:
    """Send a token with every request."""
    registry.http.headers["Authorization"] = f"Bearer {token}"


def logged_in(site: Site, user: str) -> Mapping[str, str]:
    """The environment of clients whose configuration holds a user's password."""
    secret = base64.b64encode(f"{user}:{PASSWORDS[user]}".encode()).decode()
    known = json.dumps({"auths": {site.server.address: {"auth": secret}}})
    for name in ("auth.json", "config.json"):
        (Path(site.env["HOME"]) / name).write_text(known)
    return site.env


def test_who_may_push_pushes_and_pulls(client: Copier, site: Site) -> None:
    image, env = site.image("twelve"), logged_in(site, "alice")

    client.push(image, site.reference(), env)
    client.pull(site.reference(), site.folder / "pulled", env)

    site.registry.verify(site.repository, "1")
    assert pulled_digests(site.folder / "pulled") >= image.manifests | image.blobs


@pytest.mark.parametrize("user", ["reader", ""])
def test_who_may_pull_pulls_and_does_not_push(user: str, client: Copier, site: Site) -> None:
    image = site.image("twelve")
    COPIERS["skopeo"].push(image, site.reference(), logged_in(site, "alice"))
    env = logged_in(site, user) if user else logged_out(site)

    client.pull(site.reference(), site.folder / "pulled", env)
    assert pulled_digests(site.folder / "pulled") >= image.manifests | image.blobs

    command = client.push_command(site.image("plain"), site.reference("new"))
    refused(require_tool(client.name), *command, env=env)
    assert site.registry.tags(site.repository) == ["1"]


def logged_out(site: Site) -> Mapping[str, str]:
    """The environment of clients that never logged in."""
    for name in ("auth.json", "config.json"):
        (Path(site.env["HOME"]) / name).write_text("{}")
    return site.env


def test_crane_lists_repositories(site: Site) -> None:
    COPIERS["skopeo"].push(site.image("plain"), site.reference(), logged_in(site, "alice"))

    listed = COPIERS["crane"].run(("catalog", "--insecure", site.server.address), site.env)
    assert site.repository in listed.split()
    command = ("catalog", "--insecure", site.server.address)
    refused(require_tool("crane"), *command, env=logged_in(site, "reader"))


def test_mount_needs_the_right_to_read_its_source(site: Site, tokens: TokenServer) -> None:
    content = site.repository.encode()
    digest = hexadecimal(content)
    source, target = f"{site.repository}/source", f"{site.repository}/target"
    authorize(site.registry, tokens.token("alice", f"repository:{source}:pull,push"))
    url = f"/v2/{source}/blobs/uploads/?digest={digest}"
    assert site.registry.http.post(url, content=content).status_code == 201
    mount = f"/v2/{target}/blobs/uploads/?mount={digest}"

    authorize(site.registry, tokens.token("alice", f"repository:{target}:pull,push"))
    refusal = site.registry.http.post(f"{mount}&from={source}")
    unnamed = site.registry.http.post(mount)
    scopes = (f"repository:{target}:pull,push", f"repository:{source}:pull")
    authorize(site.registry, tokens.token("alice", *scopes))
    mounted = site.registry.http.post(f"{mount}&from={source}")

    assert refusal.status_code == 401
    assert 'error="insufficient_scope"' in refusal.headers["www-authenticate"]
    assert unnamed.status_code == 202
    assert mounted.status_code == 201


def test_upload_outlives_its_token(site: Site, tokens: TokenServer) -> None:
    scope = f"repository:{site.repository}:pull,push"
    http = site.registry.http
    authorize(site.registry, tokens.token("alice", scope, lifetime=-57))  # 3 s of leeway are left
    location = http.post(f"/v2/{site.repository}/blobs/uploads/").headers["location"]

    deadline = time.monotonic() + PATIENCE
    while http.get("/v2/").status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    location = http.patch(location, content=b"late").headers["location"]
    digest = hexadecimal(b"late")
    finished = http.put(f"{location}&digest={digest}")

    assert finished.status_code == 201
    assert http.post(f"/v2/{site.repository}/blobs/uploads/").status_code == 401
    assert http.get(f"/v2/{site.repository}/blobs/{digest}").status_code == 401


def test_podman_pushes_and_pulls(site: Site) -> None:
    env = logged_in(site, "alice")

    with engines.storage("podman") as podman:
        podman("pull", "-q", site.image("twelve").source)
        pulled = podman("images", "-q", "--no-trunc").split()[0]
        authfile = f"--authfile={env['REGISTRY_AUTH_FILE']}"
        podman("push", "--tls-verify=false", authfile, pulled, site.reference())
        podman("rmi", "-f", pulled)
        podman("pull", "-q", "--tls-verify=false", authfile, site.reference())

    site.registry.verify(site.repository, "1")


def test_docker_logs_in_pulls_and_pushes(site: Site, tokens: TokenServer) -> None:
    COPIERS["skopeo"].push(site.image("twelve"), site.reference(), logged_in(site, "alice"))

    with engines.docker() as docker:
        docker("pull", "-q", site.reference())  # without a login
        docker("tag", site.reference(), site.reference("again"))
        refused(*docker.client, "push", "-q", site.reference("again"), env=docker.env)
        wrong = ("login", "-u", "alice", "-p", "wrong", site.server.address)
        refused(*docker.client, *wrong, env=docker.env)
        docker("login", "-u", "alice", "-p", PASSWORDS["alice"], site.server.address)
        docker("push", "-q", site.reference("again"))

    assert tokens.refreshing, "it goes on with a refresh token"
    site.registry.verify(site.repository, "again")


def test_containerd_pulls_and_pushes(site: Site) -> None:
    COPIERS["skopeo"].push(site.image("many"), site.reference(), logged_in(site, "alice"))
    known = ("--plain-http", "--user", f"alice:{PASSWORDS['alice']}")

    with engines.containerd() as containerd:
        containerd("images", "pull", "--plain-http", site.reference())  # without a login
        containerd("images", "tag", site.reference(), site.reference("again"))
        containerd("images", "push", *known, site.reference("again"))

    site.registry.verify(site.repository, "again")


def test_new_keys_without_a_restart(site: Site, tokens: TokenServer) -> None:
    old = tokens.token("alice")
    authorize(site.registry, old)
    assert site.registry.http.get("/v2/").status_code == 200

    tokens.take_new_keys()

    authorize(site.registry, tokens.token("alice"))
    assert site.registry.http.get("/v2/").status_code == 200
    authorize(site.registry, old)
    assert site.registry.http.get("/v2/").status_code == 401
