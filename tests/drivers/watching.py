"""What the system is asked to do, noted or held up while it is done."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from entrepot.drivers.filesystem import driver as filesystem_driver


def files_below(root: Path) -> list[str]:
    """All files, whatever their names, and empty folders with a slash."""
    found: list[str] = []
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        found += [str(here / name) for name in files]
        if not folders and not files and folder != str(root):
            found.append(f"{here}/")
    return sorted(found)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


class Held:
    """A function of the system that waits in its thread until it is let go.

    `reached` is set on the event loop when it has been called. Some calls are let through
    before.
    """

    def __init__(
        self, patch: pytest.MonkeyPatch, module: Any, name: str, *, through: int = 0
    ) -> None:
        self._through = through
        self.reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._go = threading.Event()
        self._function: Callable[..., Any] = getattr(module, name)
        self._patch = patch
        patch.setattr(module, name, self._call)

    async def begin(self, operation: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        """Run an operation until it waits here; its end, if it never comes so far, counts."""
        task = asyncio.ensure_future(operation)
        task.add_done_callback(lambda _: self.reached.set())
        await self.reached.wait()
        return task

    def let_go(self) -> None:
        self._go.set()

    def _call(self, *args: Any) -> Any:
        if self._through:
            self._through -= 1
            return self._function(*args)
        self._loop.call_soon_threadsafe(self.reached.set)
        assert self._go.wait(60)
        return self._function(*args)


class FailingCalls:
    """Makes a function of `os` fail some times, after some calls, before it works again."""

    def __init__(
        self, patch: pytest.MonkeyPatch, name: str, code: int, times: int, *, through: int = 0
    ) -> None:
        self.left = times
        self._through = through
        self._code = code
        self._function: Callable[..., Any] = getattr(os, name)
        patch.setattr(os, name, self._call)

    def _call(self, *args: Any) -> Any:
        if self._through:
            self._through -= 1
        elif self.left:
            self.left -= 1
            raise OSError(self._code, os.strerror(self._code))
        return self._function(*args)


@contextmanager
def noted(
    patch: pytest.MonkeyPatch, root: Path, *names: str
) -> Generator[list[tuple[str, ...]], None, None]:
    """Calls of functions of `os` that succeed, in order, with their paths as seen from `root`."""
    calls: list[tuple[str, ...]] = []

    def below(argument: Any) -> str:
        if isinstance(argument, int):
            argument = os.readlink(f"/proc/self/fd/{argument}")
        return os.path.relpath(argument, root)

    def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            result = function(*args)
            calls.append((name, *map(below, args)))
            return result

        return call

    with patch.context() as changed:
        for name in names:
            changed.setattr(os, name, noting(name, getattr(os, name)))
        yield calls


def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of any file is in memory, so that reading goes through threads."""

    def nowhere(*_: int) -> bool:
        return False

    monkeypatch.setattr(filesystem_driver, "in_memory", nowhere)


def evict(path: Path) -> None:
    """Have the system forget what it holds of a file, so that it is on the disk alone."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def absent(reason: str) -> NoReturn:
    """Skip a test whose means are not here; CI has to have them."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
