"""One storage under two servers at the same time."""

import hashlib
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real.backends import Backend
from tests.real.clients import COPIERS
from tests.real.programs import environment
from tests.real.registry import Registry
from tests.real.servers import Server, StartDistribution, StartEntrepot, garbage_collect
from tests.tools.images import Image

__all__ = ["SIDES", "Folder", "content", "shared_folder"]

SIDES = ["ours", "theirs"]


@dataclass(frozen=True, slots=True)
class Folder:
    """One storage under our server and under a Distribution at the same time."""

    version: str
    root: Path
    sides: dict[str, Registry]
    servers: dict[str, Server]

    @property
    def ours(self) -> Registry:
        """The storage through our server."""
        return self.sides["ours"]

    @property
    def theirs(self) -> Registry:
        """The storage through Distribution."""
        return self.sides["theirs"]

    def other(self, side: str) -> Registry:
        """The side across."""
        return self.sides[SIDES[1 - SIDES.index(side)]]

    def push(self, side: str, image: Image, repository: str, tag: str = "1") -> None:
        """Push an image through one side."""
        address = self.servers[side].address
        with tempfile.TemporaryDirectory() as home:
            env = environment(Path(home))
            COPIERS["skopeo"].push(image, f"{address}/{repository}:{tag}", env)

    def collect(self, *flags: str) -> str:
        """Run Distribution's garbage collector over the storage."""
        return garbage_collect(self.version, self.servers["theirs"], *flags)

    def collect_offline(self, *flags: str) -> str:
        """The same while no server runs, as Distribution asks for."""
        for server in self.servers.values():
            server.stop()
        said = self.collect(*flags)
        for server in self.servers.values():
            server.start()
        return said


@contextmanager
def shared_folder(
    version: str,
    entrepot_server: StartEntrepot,
    distribution: StartDistribution,
    backend: Backend | None = None,
) -> Generator[Folder, None, None]:
    """A fresh folder, or a backend, under both servers, which are stopped at the block's end."""
    config = backend.configuration if backend else None
    ours = entrepot_server(config)
    theirs = distribution(version, ours.root, config)
    with Registry(ours.url) as left, Registry(theirs.url) as right:
        sides = {"ours": left, "theirs": right}
        yield Folder(version, ours.root, sides, {"ours": ours, "theirs": theirs})
    ours.stop()
    theirs.stop()


def content(name: str) -> list[bytes]:
    """Layers that no other test has."""
    return [hashlib.sha256(f"{name} {n}".encode()).digest() * 100 for n in range(3)]
