"""Clients against a registry that issues its tokens itself, by an access policy."""

import base64
import itertools
import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.real import engines
from tests.real.clients import COPIERS, Copier
from tests.real.engines import Engine
from tests.real.programs import environment, refused, require_tool, run
from tests.real.registry import Registry
from tests.real.servers import Server, StartEntrepot, entrepot_command
from tests.real.test_clients import pulled_digests
from tests.tools.images import Image

PASSWORDS = {"alice": "s3cret", "bob": "hunter2"}
RULES = [
    {"anonymous": True, "repositories": ["public/**"], "actions": ["pull"]},
    {"users": ["bob"], "repositories": ["team/*"], "actions": ["pull"]},
    {"users": ["bob"], "actions": ["catalog"]},
    {"authenticated": True, "repositories": ["{user}/**"], "actions": ["pull", "push"]},
    {"users": ["alice"], "repositories": ["**"], "actions": ["*"]},
]
NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Settings:
    """The files of a registry that issues tokens: users, a key, a policy."""

    folder: Path

    def make(self) -> None:
        """Make users and key by the commands that operators use."""
        lines = [
            run(*entrepot_command(), "auth", "hash", user, "--cost=5", stdin=password.encode())
            for user, password in PASSWORDS.items()
        ]
        (self.folder / "users").write_text("".join(lines))
        run(*entrepot_command(), "auth", "key", self.folder / "key.pem")
        (self.folder / "access.yml").write_text(json.dumps({"rules": RULES}))

    @property
    def sections(self) -> dict[str, Any]:
        files = {"htpasswd": str(self.folder / "users"), "keys": [str(self.folder / "key.pem")]}
        return {"auth": {"entrepot": files}, "access": {"file": str(self.folder / "access.yml")}}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = Settings(tmp_path_factory.mktemp("settings"))
    made.make()
    return made


@pytest.fixture(scope="module")
def server(entrepot_server: StartEntrepot, settings: Settings) -> Server:
    """Our server, which issues tokens."""
    return entrepot_server(settings.sections)


@dataclass(frozen=True, slots=True)
class Yard:
    """The server as several users see it, each with clients that are logged in."""

    server: Server
    registry: Registry
    folder: Path
    image: Callable[[str], Image]

    def reference(self, name: str, tag: str = "1") -> str:
        return f"{self.server.address}/{name}:{tag}"

    def env(self, user: str = "") -> Mapping[str, str]:
        """The environment of clients of a user; of nobody without one."""
        home = self.folder / f"home-{user or 'nobody'}"
        if not home.exists():
            home.mkdir()
            environment(home)
            if user:
                secret = base64.b64encode(f"{user}:{PASSWORDS[user]}".encode()).decode()
                known = json.dumps({"auths": {self.server.address: {"auth": secret}}})
                for name in ("auth.json", "config.json"):
                    (home / name).write_text(known)
        return {**environment_of(home)}

    def header(self, user: str, *scopes: str) -> dict[str, str]:
        """The header with a token for these scopes."""
        query: Any = [("scope", scope) for scope in scopes]
        auth = (user, PASSWORDS[user]) if user else None
        answer = self.registry.http.get("/auth/token", params=query, auth=auth)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    def tags(self, name: str) -> list[str]:
        header = self.header("alice", f"repository:{name}:pull")
        answer = self.registry.http.get(f"/v2/{name}/tags/list", headers=header)
        tags: list[str] = answer.json()["tags"]
        return tags

    def verify(self, name: str) -> None:
        """All that the tag `1` needs is there."""
        self.registry.http.headers.update(self.header("alice", f"repository:{name}:pull"))
        self.registry.verify(name, "1")
        del self.registry.http.headers["Authorization"]


def environment_of(home: Path) -> dict[str, str]:
    """A client's environment, whose credentials are there already."""
    kept = {path: path.read_text() for path in home.iterdir() if path.is_file()}
    made = environment(home)
    for path, text in kept.items():
        path.write_text(text)
    return made


@pytest.fixture
def yard(server: Server, registry: Registry, tmp_path: Path, image: Callable[[str], Image]) -> Yard:
    return Yard(server, registry, tmp_path, image)


@pytest.fixture
def name() -> str:
    """The last part of a repository's name that no other test uses."""
    return f"app{next(NUMBERS)}"


@pytest.fixture(params=COPIERS)
def client(request: pytest.FixtureRequest) -> Copier:
    """Each of the clients without an engine."""
    return COPIERS[request.param]


def test_client_pushes_where_it_may_and_pulls_it(client: Copier, yard: Yard, name: str) -> None:
    image, target = yard.image("twelve"), yard.reference(f"bob/{name}")

    client.push(image, target, yard.env("bob"))
    client.pull(target, yard.folder / "pulled", yard.env("bob"))

    assert pulled_digests(yard.folder / "pulled") >= image.manifests | image.blobs


def test_client_pulls_where_it_may_not_push(client: Copier, yard: Yard, name: str) -> None:
    image, target = yard.image("single"), yard.reference(f"team/{name}")
    client.push(image, target, yard.env("alice"))

    client.pull(target, yard.folder / "pulled", yard.env("bob"))
    push = client.push_command(image, yard.reference(f"team/{name}", "2"))
    refused(require_tool(client.name), *push, env=yard.env("bob"))

    assert pulled_digests(yard.folder / "pulled") >= image.manifests | image.blobs
    assert yard.tags(f"team/{name}") == ["1"]


def test_client_pulls_anonymously_what_is_public_alone(
    client: Copier, yard: Yard, name: str
) -> None:
    image = yard.image("single")
    for folder in ("public", "team"):
        client.push(image, yard.reference(f"{folder}/{name}"), yard.env("alice"))

    client.pull(yard.reference(f"public/{name}"), yard.folder / "pulled", yard.env())
    pull = client.pull_command(yard.reference(f"team/{name}"), yard.folder / "refused")
    refused(require_tool(client.name), *pull, env=yard.env())
    push = client.push_command(image, yard.reference(f"public/{name}", "2"))
    refused(require_tool(client.name), *push, env=yard.env())

    assert pulled_digests(yard.folder / "pulled") >= image.manifests | image.blobs


def test_client_mounts_only_from_what_it_may_read(yard: Yard, name: str) -> None:
    crane, image = COPIERS["crane"], yard.image("twelve")
    crane.push(image, yard.reference(f"team/{name}"), yard.env("alice"))
    crane.push(image, yard.reference(f"alice/{name}"), yard.env("alice"))
    blob = next(iter(image.blobs))

    crane.copy(yard.reference(f"team/{name}"), yard.reference(f"bob/{name}"), yard.env("bob"))
    copy = crane.copy_command(yard.reference(f"alice/{name}"), yard.reference(f"bob/{name}", "2"))
    refused(require_tool("crane"), *copy, env=yard.env("bob"))

    yard.verify(f"bob/{name}")
    scopes = (f"repository:bob/{name}-2:pull,push", f"repository:alice/{name}:pull")
    for user, status in (("bob", 401), ("alice", 201)):
        answer = yard.registry.http.post(
            f"/v2/bob/{name}-2/blobs/uploads/",
            params={"mount": blob, "from": f"alice/{name}"},
            headers=yard.header(user, *scopes),
        )
        assert answer.status_code == status


def test_catalogue_of_a_client_is_what_it_may_pull(yard: Yard, name: str) -> None:
    crane = require_tool("crane")
    for folder in ("alice", "bob", "public", "team"):
        COPIERS["crane"].push(
            yard.image("single"), yard.reference(f"{folder}/{name}"), yard.env("alice")
        )

    listing = ("catalog", "--insecure", yard.server.address)
    of_bob = run(crane, *listing, env=yard.env("bob")).split()

    assert {f"bob/{name}", f"public/{name}", f"team/{name}"} <= set(of_bob)
    assert not [one for one in of_bob if one.startswith("alice/")]
    assert f"alice/{name}" in run(crane, *listing, env=yard.env("alice")).split()
    refused(crane, *listing, env=yard.env())


@pytest.fixture(scope="module")
def docker() -> Generator[Engine, None, None]:
    """A Docker engine for this module."""
    with engines.docker() as engine:
        yield engine


def test_docker_keeps_a_refresh_token_and_no_password(
    docker: Engine, yard: Yard, name: str
) -> None:
    source, address = yard.reference(f"team/{name}"), yard.server.address
    COPIERS["skopeo"].push(yard.image("twelve"), source, yard.env("alice"))

    wrong = ("login", "-u", "bob", "-p", "wrong", address)
    refused(*docker.client, *wrong, env=docker.env)
    refused(*docker.client, "pull", "-q", source, env=docker.env)
    docker("login", "-u", "bob", "-p", PASSWORDS["bob"], address)
    docker("pull", "-q", source)
    docker("tag", source, yard.reference(f"bob/{name}"))
    docker("push", "-q", yard.reference(f"bob/{name}"))
    docker("tag", source, yard.reference(f"team/{name}", "2"))
    refused(*docker.client, "push", "-q", yard.reference(f"team/{name}", "2"), env=docker.env)

    yard.verify(f"bob/{name}")
    known = json.loads((Path(docker.env["HOME"]) / "config.json").read_text())["auths"][address]
    assert known["identitytoken"]
    assert base64.b64decode(known["auth"]) == b"bob:"


def test_docker_pulls_anonymously_what_is_public_alone(
    docker: Engine, yard: Yard, name: str
) -> None:
    for folder in ("public", "team"):
        target = yard.reference(f"{folder}/{name}")
        COPIERS["skopeo"].push(yard.image("twelve"), target, yard.env("alice"))

    docker("logout", yard.server.address)
    docker("pull", "-q", yard.reference(f"public/{name}"))
    pull = ("pull", "-q", yard.reference(f"team/{name}"))
    refused(*docker.client, *pull, env=docker.env)


def test_podman_logs_in(yard: Yard, name: str) -> None:
    with engines.storage("podman") as podman:
        login = ("login", "--tls-verify=false", "-u", "bob", "-p")
        refused(*podman.client, *login, "wrong", yard.server.address, env=podman.env)
        podman(*login, PASSWORDS["bob"], yard.server.address)
        podman("pull", "-q", yard.image("twelve").source)
        pulled = podman("images", "-q", "--no-trunc").split()[0]
        podman("push", "--tls-verify=false", pulled, yard.reference(f"bob/{name}"))
        push = ("push", "--tls-verify=false", pulled, yard.reference(f"team/{name}"))
        refused(*podman.client, *push, env=podman.env)
        podman("logout", yard.server.address)
        pull = ("pull", "-q", "--tls-verify=false", yard.reference(f"bob/{name}"))
        refused(*podman.client, *pull, env=podman.env)

    yard.verify(f"bob/{name}")


def test_containerd_posts_a_password(yard: Yard, name: str) -> None:
    source = yard.reference(f"team/{name}")
    COPIERS["skopeo"].push(yard.image("many"), source, yard.env("alice"))
    known = ("--plain-http", "--user", f"bob:{PASSWORDS['bob']}")

    with engines.containerd() as containerd:
        containerd("images", "pull", *known, source)
        containerd("images", "tag", source, yard.reference(f"bob/{name}"))
        containerd("images", "push", *known, yard.reference(f"bob/{name}"))

    yard.verify(f"bob/{name}")


def test_workers_and_replicas_take_each_others_tokens(
    entrepot_server: StartEntrepot, settings: Settings, yard: Yard, name: str
) -> None:
    replica = entrepot_server(settings.sections | {"http": {"workers": 2}}, root=yard.server.root)
    header = yard.header("alice", f"repository:team/{name}:pull,push")

    with Registry(replica.url) as other:
        other.http.headers.update(header)
        other.push_image(f"team/{name}", "1", [b"a", b"b"])
        for _ in range(10):
            other.http.headers["Connection"] = "close"  # so that each worker gets some
            assert other.tags(f"team/{name}") == ["1"]

    yard.verify(f"team/{name}")
