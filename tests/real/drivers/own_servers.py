"""Storage servers of a test's own, which it may kill, stop and start again."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.real.programs import unavailable
from tests.services.catalogue import SERVICES
from tests.services.definition import Definition, Place
from tests.services.ports import choose
from tests.services.running import services_folder


class OwnServer:
    """One server on a port that it keeps when it is started again."""

    def __init__(self, definition: Definition, folder: Path) -> None:
        self._definition = definition
        self._place = Place(folder, choose(definition.ports), definition.memory)
        self.values: Mapping[str, str] = {}

    def start(self) -> None:
        self.values = self._definition.start(self._place)

    def kill(self) -> None:
        """End all its processes at once, without a word to their clients."""
        self._signal(signal.SIGKILL)
        self._place.end(self._definition.grace)

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._place.processes:
            for pid in [process.pid, *_descendants(process.pid)]:
                os.kill(pid, number)


def _descendants(pid: int) -> Generator[int, None, None]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from _descendants(int(child))


@contextmanager
def own_server(name: str, folder: Path) -> Generator[OwnServer, None, None]:
    """A server of that kind, started; without what it needs the test skips, and fails in CI."""
    definition = SERVICES[name]
    installed = services_folder() / name
    if not definition.installed(installed):
        unavailable(f"{name} is not installed: python tests/services/run.py install {name}")
    folder.mkdir()
    if (installed / "venv").exists():
        (folder / "venv").symlink_to((installed / "venv").resolve())
    server = OwnServer(definition, folder)
    server.start()
    try:
        yield server
    finally:
        server.thaw()
        server.kill()
