"""What a test of a client works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.real.registry import Registry
from tests.real.servers import Server
from tests.tools.images import Image

__all__ = ["Site"]


@dataclass(frozen=True, slots=True)
class Site:
    """What a test of a client works with: our server, and a repository nobody else uses."""

    server: Server
    registry: Registry
    repository: str
    env: Mapping[str, str]
    folder: Path
    image: Callable[[str], Image]

    def reference(self, tag: str = "1", below: str = "") -> str:
        """A tag of the repository, or of one below it, as clients name it."""
        return f"{self.server.address}/{self.repository}{below}:{tag}"
