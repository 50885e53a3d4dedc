"""Two servers on one bucket, and what holds for both: immutable tags, expiry, read-only."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.real.backends import Backend
from tests.real.clients import COPIERS
from tests.real.programs import clean_environment, refused, require_tool, run
from tests.real.registry import Registry
from tests.real.servers import Server, StartEntrepot, entrepot_command
from tests.tools.images import Image

pytestmark = pytest.mark.parametrize("backend", ["s3"], indirect=True, scope="module")

RULES = {
    "policy": {
        "tags": [
            {"repositories": ["real/*"], "immutable": ["v*"]},
            {"repositories": ["**"], "match": ["old-*"], "expire": "1ns"},
        ]
    }
}
RACES = 12
SKOPEO = COPIERS["skopeo"]


@pytest.fixture(scope="module")
def servers(
    backend: Backend, entrepot_server: StartEntrepot
) -> Generator[list[Server], None, None]:
    """Two of our servers on the backend, with the same rules."""
    started = [entrepot_server(backend.configuration | RULES) for _ in range(2)]
    yield started
    for server in started:
        server.stop()


@pytest.fixture
def replicas(servers: list[Server]) -> Generator[list[Registry], None, None]:
    """Plain requests to each of them."""
    with ExitStack() as stack:
        yield [stack.enter_context(Registry(server.url)) for server in servers]


def entrepot(*arguments: str | Path) -> str:
    """What a command says, as an operator runs it."""
    return run(*entrepot_command(), *arguments, env=clean_environment())


def push_refused(image: Image, server: Server, repository: str, env: dict[str, str]) -> str:
    """What skopeo says when it may not push."""
    command = SKOPEO.push_command(image, f"{server.address}/{repository}")
    return refused(require_tool("skopeo"), *command, env=env)


def test_immutable_tag_is_moved_through_no_replica(
    servers: list[Server],
    replicas: list[Registry],
    repository: str,
    env: dict[str, str],
    image: Callable[[str], Image],
) -> None:
    first, second = image("single"), image("twelve")
    SKOPEO.push(first, f"{servers[0].address}/{repository}:v1", env)

    said = [push_refused(second, server, f"{repository}:v1", env) for server in servers]
    SKOPEO.push(first, f"{servers[1].address}/{repository}:v1", env)
    SKOPEO.push(second, f"{servers[1].address}/{repository}:moving", env)
    SKOPEO.push(first, f"{servers[0].address}/{repository}:moving", env)

    for told in said:
        assert f"tag v1 of {repository} is immutable (policy.tags.0: v*)" in told
    for registry in replicas:
        assert registry.digest(repository, "v1") == registry.digest(repository, "moving")
        assert registry.digest(repository, "v1") == first.digest
        registry.verify(repository, "v1")
        assert registry.delete(repository, "v1") == 403


def test_of_first_pushes_through_both_one_wins(
    replicas: list[Registry], servers: list[Server], repository: str
) -> None:
    """Whoever is told that it is stored finds it so, wherever it looks."""

    def push(at: int, digest: str, tag: str) -> int:
        pushed = replicas[at].manifest(repository, digest)
        headers = {"Content-Type": pushed.headers["Content-Type"]}
        with Registry(servers[at].url) as registry:
            path = f"/v2/{repository}/manifests/{tag}"
            return registry.http.put(path, content=pushed.content, headers=headers).status_code

    for number in range(RACES):
        tag = f"v{number}"
        digests = [
            registry.push_image(repository, f"by-{at}-{number}", [f"{at} {number}".encode()])
            for at, registry in enumerate(replicas)
        ]

        with ThreadPoolExecutor(2) as pool:
            statuses = list(pool.map(push, range(2), digests, [tag, tag]))

        assert sorted(statuses) == [201, 403]
        for registry in replicas:
            assert registry.digest(repository, tag) == digests[statuses.index(201)]


def test_tags_are_deleted_and_expire_for_both(
    servers: list[Server], replicas: list[Registry], repository: str
) -> None:
    for tag in ("old-1", "new-1", "v1"):
        replicas[0].push_image(repository, tag, [b"layer"])
    config = servers[0].config_file

    deleted = entrepot("delete", config, f"{repository}:new-1", "--yes")
    shown = entrepot("retention", config, "--dry-run")

    assert f"deleted {repository}:new-1" in deleted
    (line,) = [line for line in shown.splitlines() if f"{repository}:old-1 " in line]
    assert line.endswith("keep      pushed just now")
    for registry in replicas:
        assert registry.tags(repository) == ["old-1", "v1"]


def test_both_are_read_only_when_the_command_returns(
    servers: list[Server],
    replicas: list[Registry],
    repository: str,
    env: dict[str, str],
    image: Callable[[str], Image],
) -> None:
    single = image("single")
    for at, registry in enumerate(replicas):  # so both have looked at the switch just now
        registry.push_image(repository, f"before-{at}", [b"layer"])

    entrepot("readonly", "on", servers[0].config_file, "--reason", "moving house")
    refusals = [registry.http.post(f"/v2/{repository}/blobs/uploads/") for registry in replicas]
    said = push_refused(single, servers[1], f"{repository}:during", env)
    for at, registry in enumerate(replicas):
        registry.verify(repository, f"before-{1 - at}")
    entrepot("readonly", "off", servers[0].config_file)
    for at, server in enumerate(servers):
        SKOPEO.push(single, f"{server.address}/{repository}:after-{at}", env)

    for refusal in refusals:
        assert refusal.status_code == 405
        assert refusal.json()["errors"][0]["message"].endswith("read-only now: moving house")
    assert "moving house" in said
    assert set(replicas[0].tags(repository)) == {"before-0", "before-1", "after-0", "after-1"}
