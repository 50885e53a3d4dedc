"""Another process over the same store, as another worker or replica of a registry is one."""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

_START = "import runpy, sys; sys.path[:] = {!r}; runpy.run_path({!r}, run_name='__main__')"
_PROGRAM = str(Path(__file__).with_name("replica_process.py"))
_SHOWN = 2000  # characters of what a process said before it died


class Replica:
    """A spawned process with a driver of its own, opened by a pickled function."""

    def __init__(self, process: subprocess.Popen[bytes], said: IO[bytes], patience: float) -> None:
        self._process = process
        self._said = said
        self._patience = patience

    async def write(self, key: str, of: int, *, seed: int = 0, create: bool = False) -> Any:
        """Write all of `content(of, seed)`; its size, or what was raised."""
        return await self.call("write", key, of=of, seed=seed, stop=of, create=create)

    async def append(self, token: str, of: int, start: int, stop: int) -> Any:
        """Append bytes [start, stop) of `content(of)`; the new size, or what was raised."""
        return await self.call("append", token, of=of, start=start, stop=stop)

    async def commit(self, token: str, target: str, size: int) -> Any:
        return await self.call("commit", token, target=target, size=size)

    async def size(self, token: str) -> Any:
        return await self.call("size", token)

    async def halt_in(self, call: str, key: str, of: int, start: int, stop: int) -> None:
        """Return when the call has pulled those bytes of `content(of)` and waits for more."""
        self.tell(call, key, of=of, start=start, stop=stop, halt=True)
        assert await self.answer() == "halted"

    async def call(self, call: str, key: str, **order: Any) -> Any:
        self.tell(call, key, **order)
        return await self.answer()

    def tell(self, call: str, key: str, **order: Any) -> None:
        """Begin a call; `answer` gives its result."""
        whole: dict[str, Any] = {
            "of": 0,
            "seed": 0,
            "start": 0,
            "stop": 0,
            "halt": False,
            "create": False,
        }
        whole |= {"call": call, "key": key, **order}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(whole).encode() + b"\n")
        self._process.stdin.flush()

    async def answer(self) -> Any:
        assert self._process.stdout is not None
        reading = asyncio.get_running_loop().run_in_executor(None, self._process.stdout.readline)
        done, _ = await asyncio.wait([reading], timeout=self._patience)
        if not done:
            self.kill()  # which ends the read, and the thread with it
            await reading
            pytest.fail(f"another process did not answer within {self._patience:g} seconds")
        line = await reading
        if not line:
            pytest.fail(f"another process over the store ended: {self._last_words()}")
        return json.loads(line)

    def kill(self) -> None:
        """End it as `kill -9` does, in the middle of whatever it does."""
        self._process.kill()
        self._process.wait()

    def _last_words(self) -> str:
        self._process.wait()
        self._said.seek(0)
        return self._said.read().decode(errors="replace")[-_SHOWN:] or "without a word"


Spawn = Callable[[], Awaitable[Replica]]
"""Starts another process; all of them end with the test."""


@asynccontextmanager
async def spawning(opening: object, patience: float) -> AsyncGenerator[Spawn, None]:
    """Gives a function that starts replicas; skips the test if `opening` cannot be sent to one."""
    try:
        pickled = pickle.dumps(opening).hex()
    except Exception as error:
        pytest.skip(
            f"`open_driver` gives what cannot be sent to another process ({error}); return "
            "`functools.partial(open_driver_function, options)` over a store that processes share"
        )
    async with AsyncExitStack() as stack:

        async def spawn() -> Replica:
            replica = stack.enter_context(_started(pickled, patience))
            assert await replica.answer() == "ready"
            return replica

        yield spawn


@contextmanager
def _started(pickled: str, patience: float) -> Generator[Replica, None, None]:
    command = [sys.executable, "-c", _START.format(sys.path, _PROGRAM)]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=said) as process,
    ):
        try:
            assert process.stdin is not None
            process.stdin.write(pickled.encode() + b"\n")
            process.stdin.flush()
            yield Replica(process, said, patience)
        finally:
            process.kill()
