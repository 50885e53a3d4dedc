"""What every test against real programs shares: servers, the image set, a clean home."""

import itertools
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import cast

import pytest
from tests.real.backends import Backend, open_backend
from tests.real.programs import environment, require_tool
from tests.real.registry import Registry
from tests.real.servers import (
    Server,
    StartDistribution,
    StartEntrepot,
    default_config,
    distribution_program,
    entrepot_command,
    free_port,
)
from tests.real.site import Site
from tests.tools.images import Image, make_image

REPOSITORIES = itertools.count(1)
RUNNING = pytest.StashKey[list[Server]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.real)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the servers' logs with a test that failed."""
    report = yield
    if report.failed:
        for server in item.session.stash.setdefault(RUNNING, []):
            report.sections.append((f"log of {server.address}", server.log_tail()))
    return report


@pytest.fixture(scope="session")
def running(request: pytest.FixtureRequest) -> list[Server]:
    """The servers that run now, for the logs shown with a failure."""
    return request.session.stash.setdefault(RUNNING, [])


@pytest.fixture(scope="module")
def start_server(
    tmp_path_factory: pytest.TempPathFactory, running: list[Server]
) -> Generator[Callable[..., Server], None, None]:
    """Starts servers and stops them at the end of the module."""
    started: list[Server] = []

    def start(
        command: list[str],
        config: Mapping[str, object] | None = None,
        root: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Server:
        folder = tmp_path_factory.mktemp("server")
        address = f"127.0.0.1:{free_port()}"
        root = root or folder / "root"
        given = dict(config or {})
        http = {"addr": address} | dict(cast("Mapping[str, object]", given.pop("http", {})))
        settings = default_config(root, address) | given | {"http": http}
        server = Server(command, folder, root, settings, address, env or {}).start()
        started.append(server)
        running.append(server)
        return server

    yield start
    for server in started:
        server.stop()
        running.remove(server)


@pytest.fixture(scope="module")
def entrepot_server(start_server: Callable[..., Server]) -> StartEntrepot:
    """Starts our server; it runs until the module's last test is done."""

    def start(
        config: Mapping[str, object] | None = None,
        *,
        root: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Server:
        return start_server(entrepot_command(), config, root, env)

    return start


@pytest.fixture(scope="module")
def distribution(start_server: Callable[..., Server]) -> StartDistribution:
    """Starts Distribution; it runs until the module's last test is done."""

    def start(
        version: str, root: Path | None = None, config: Mapping[str, object] | None = None
    ) -> Server:
        return start_server([distribution_program(version)], config, root)

    return start


@pytest.fixture(scope="module")
def backend(request: pytest.FixtureRequest) -> Generator[Backend, None, None]:
    """A new bucket on the backend that the module's parameter names."""
    with open_backend(request.param) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(entrepot_server: StartEntrepot) -> Server:
    """Our server with its default configuration, one for the module."""
    return entrepot_server()


@pytest.fixture(scope="module")
def registry(server: Server) -> Generator[Registry, None, None]:
    """Plain requests to the module's server."""
    with Registry(server.url) as opened:
        yield opened


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Image]:
    """Makes an image of the set by its name, once in a session."""
    folder = tmp_path_factory.mktemp("images")
    made: dict[str, Image] = {}

    def make(name: str) -> Image:
        if name in {"busybox", "zstd"}:
            require_tool(name)
        if name not in made:
            made[name] = make_image(folder, name)
        return made[name]

    return make


@pytest.fixture
def repository() -> str:
    """A repository name that no other test uses."""
    return f"real/repository-{next(REPOSITORIES)}"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a client that has never logged in anywhere."""
    folder = tmp_path / "home"
    folder.mkdir()
    return environment(folder)


@pytest.fixture
def site(
    server: Server,
    registry: Registry,
    repository: str,
    env: dict[str, str],
    image: Callable[[str], Image],
) -> Site:
    """All that a test of a client needs."""
    return Site(server, registry, repository, env, Path(env["HOME"]).parent, image)
