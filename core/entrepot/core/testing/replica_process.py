"""What runs in another process: a driver that does as it is told, line by line.

Started by `replica` as a file: imported from its package, it would bring pytest and the suite,
which take longer to import than all that runs here. It ends with its standard input, so that it
never outlives the tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import random
import sys
import threading
from collections.abc import AsyncGenerator
from typing import Any, BinaryIO

from entrepot.core.driver import Driver
from entrepot.core.errors import StorageError

_CHUNK = 64 * 1024


class _Answers:
    """The line back to the tests, away from whatever a driver prints."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)

    def give(self, answer: object) -> None:
        self._file.write(json.dumps(answer).encode() + b"\n")


def main() -> None:
    answers = _Answers()
    opening = pickle.loads(bytes.fromhex(sys.stdin.readline()))  # noqa: S301 - the tests' own
    asyncio.run(_serve(opening, answers))


async def _serve(opening: Any, answers: _Answers) -> None:
    async with opening() as driver:
        told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        arguments = (sys.stdin.buffer, loop, told)
        threading.Thread(target=_listen, args=arguments, daemon=True).start()
        answers.give("ready")
        while True:
            answers.give(await _obey(driver, await told.get(), answers))


def _listen(
    lines: BinaryIO, loop: asyncio.AbstractEventLoop, told: asyncio.Queue[dict[str, Any]]
) -> None:
    for line in lines:
        loop.call_soon_threadsafe(told.put_nowait, json.loads(line))
    os._exit(0)  # nobody is there any more; a call that hangs must not keep the process


async def _obey(driver: Driver, order: dict[str, Any], answers: _Answers) -> Any:
    """The result of one call, or the name and text of what it raised."""
    chunks = _chunks(order, answers)
    upload = driver.upload(order["key"])
    try:
        match order["call"]:
            case "write":
                return (await driver.write(order["key"], chunks, create=order["create"])).size
            case "append":
                return await upload.append(chunks, order["start"])
            case "commit":
                return (await upload.commit(order["target"], order["size"])).size
            case "size":
                return await upload.size()
            case call:
                raise NotImplementedError(call)
    except StorageError as error:
        return {"raised": type(error).__name__, "says": str(error)}


async def _chunks(order: dict[str, Any], answers: _Answers) -> AsyncGenerator[bytes, None]:
    """A stretch of a content that both sides know, then perhaps a halt for ever."""
    whole = random.Random(order["seed"]).randbytes(order["of"])  # noqa: S311 - `content` of the suite
    data = whole[order["start"] : order["stop"]]
    for start in range(0, len(data), _CHUNK):
        await asyncio.sleep(0)
        yield data[start : start + _CHUNK]
    if order["halt"]:
        answers.give("halted")
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
