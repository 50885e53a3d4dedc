"""A registry whose store changes three times while clients push and delete."""

import asyncio
import itertools
import json
import subprocess
import threading
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.real.backends import Backend, open_backend
from tests.real.programs import clean_environment
from tests.real.registry import Registry
from tests.real.servers import Server, StartDistribution, StartEntrepot, entrepot_command

from entrepot.core.streams import gather
from entrepot.server.cli.opening import store_of

PATH = ("filesystem", "s3", "azure", "filesystem")
OLD, NEW = "old/image", "new/image"
OLD_IMAGES = 4
LARGE = 12 * 1024 * 1024  # bytes of a layer; at the rate below it takes seconds
RATE = "2MiB"
PAUSE = 0.5  # seconds between pushes, which leave the servers time for the rest
PATIENCE = 120.0  # seconds for a push, and for a server to be there again

Settings = dict[str, Any]


def settings(first: Backend, second: Backend | None = None) -> Settings:
    """A configuration with a store, and a mirror to another one."""
    made: Settings = dict(first.configuration)
    if second is not None:
        storage = {second.driver: dict(second.options)}
        made["middleware"] = {"storage": [{"name": "mirror", "options": {"storage": storage}}]}
    return made


@dataclass
class Client(threading.Thread):
    """Pushes image after image to one replica, and moves a tag; remembers what it was told."""

    server: Server
    pushed: dict[str, str] = field(default_factory=dict[str, str])
    asked: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    number: int = 0
    problem: str = ""

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.changed = threading.Condition()
        self.up = threading.Event()
        self.stopped = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        try:
            with Registry(self.server.url) as registry:
                while not self.stopped.is_set():
                    assert self.up.wait(PATIENCE), "the server does not come back"
                    self.push(registry)
                    self.stopped.wait(PAUSE)
        except Exception as error:  # a thread's error would be lost
            self.problem = f"{type(error).__name__}: {error}"
        finally:
            with self.changed:
                self.stopped.set()
                self.changed.notify_all()

    def push(self, registry: Registry) -> None:
        """Push one image under two tags; broken off by a restart, it is pushed again."""
        port = self.server.address.partition(":")[2]
        layer = f"{port} {self.number} ".encode() * 3000
        for tag in (f"{port}-{self.number}", f"{port}-latest"):
            try:
                digest = registry.push_image(NEW, tag, [layer])
            except httpx2.TransportError:
                return
            self.pushed[tag] = digest
        with self.changed:
            self.number += 1
            self.changed.notify_all()

    def wait_for(self, more: int) -> None:
        """Until so many more images were pushed."""
        with self.changed:
            wanted = self.number + more
            self.changed.wait_for(lambda: self.number >= wanted or self.stopped.is_set(), PATIENCE)
        assert self.number >= wanted, self.problem or "pushes take too long"


@contextmanager
def pushing(servers: list[Server]) -> Generator[list[Client], None, None]:
    clients = [Client(server) for server in servers]
    for client in clients:
        client.up.set()
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.stopped.set()
            client.join()


def roll(clients: list[Client], changed: Mapping[str, Any]) -> None:
    """Restart one replica after the other with other sections; clients push meanwhile."""
    for client in clients:
        server = client.server
        client.up.clear()
        server.stop()
        kept = {key: server.config[key] for key in ("version", "log", "http")}
        server.config = kept | dict(changed)
        server.start()
        client.up.set()
        for each in clients:
            each.wait_for(1)


@pytest.fixture
def backends() -> Generator[list[Backend], None, None]:
    with ExitStack() as stack:
        yield [stack.enter_context(open_backend(name)) for name in PATH]


@dataclass(frozen=True)
class Files:
    """The configurations of one move, without a mirror."""

    old: Path
    new: Path

    def command(self, *options: str) -> list[str]:
        return [*entrepot_command(), "migrate", str(self.old), str(self.new), "--json", *options]

    def migrate(self) -> dict[str, int]:
        """Run it to its end, which is a good one."""
        command, env = self.command("--delete"), clean_environment()
        done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        totals: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
        return totals

    def kill_in_the_middle(self) -> None:
        """Begin one that takes at least six seconds, and end it before."""
        begun = subprocess.Popen(self.command("--rate", RATE), env=clean_environment())
        with pytest.raises(subprocess.TimeoutExpired):
            begun.wait(3)
        begun.kill()
        begun.wait()


def files_of(folder: Path, old: Backend, new: Backend) -> Files:
    folder.mkdir()
    files = Files(folder / "old.yml", folder / "new.yml")
    for path, backend in ((files.old, old), (files.new, new)):
        path.write_text(json.dumps({"version": 0.1, **settings(backend)}))
    return files


async def contents(config: Path) -> dict[str, bytes]:
    """All that a store holds for Distribution but uploads in progress."""
    async with store_of(config, environ={}).opening() as driver:
        keys = [entry.key async for entry in driver.scan("docker/")]
        wanted = [key for key in keys if "/_uploads/" not in key]
        return {key: await gather(driver, key, 2 * LARGE) for key in wanted}


def assert_alike(files: Files) -> None:
    old, new = asyncio.run(contents(files.old)), asyncio.run(contents(files.new))
    assert old.keys() ^ new.keys() == set()
    assert [key for key in old if old[key] != new[key]] == []


def fill(registry: Registry) -> dict[str, str]:
    """What the store has before it moves: the digest of each tag."""
    found = {
        str(number): registry.push_image(OLD, str(number), [b"%d" % number * 5000, b"base" * 5000])
        for number in range(OLD_IMAGES)
    }
    return found | {"large": registry.push_image(OLD, "large", [bytes(LARGE)])}


def test_store_moves_while_clients_push(
    backends: list[Backend],
    entrepot_server: StartEntrepot,
    distribution: StartDistribution,
    tmp_path: Path,
) -> None:
    """The first move has two replicas, so that they have the stores in both orders at once."""
    servers = [entrepot_server(settings(backends[0])) for _ in range(2)]
    with Registry(servers[0].url) as registry:
        tags = {OLD: fill(registry), NEW: dict[str, str]()}
    for number, (old, new) in enumerate(itertools.pairwise(backends)):
        files = files_of(tmp_path / str(number), old, new)
        replicas = servers if number == 0 else servers[:1]
        with pushing(replicas) as clients, Registry(replicas[-1].url) as registry:
            roll(clients, settings(old, new))
            if number == 0:
                files.kill_in_the_middle()
            assert registry.delete(OLD, tags[OLD].pop(str(number))) == 202
            assert files.migrate()["copied"] > 0
            roll(clients, settings(new, old))
        assert [client.problem for client in clients] == [""] * len(clients)
        for client in clients:
            tags[NEW] |= client.pushed
        assert_alike(files)

    root = Path(str(backends[-1].options["rootdirectory"]))
    with Registry(distribution("3", root).url) as registry:
        for repository, told in tags.items():
            assert set(registry.tags(repository)) >= set(told)
            for tag, digest in told.items():
                assert registry.digest(repository, tag) == digest
                registry.verify(repository, tag)
        assert set(registry.tags(OLD)) == set(tags[OLD])
