"""The one policy by which requests are tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from entrepot.drivers.gcs.errors import TransientError

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often an operation is tried; times in seconds."""

    attempts: int = 6
    total: float = 60.0  # after which no attempt begins
    connect: float = 5.0
    answer: float = 30.0  # of one attempt without a large body; silence of a body that is read
    transfer: float = 120.0  # of one attempt that sends a chunk, or has the backend copy
    opening: float = 10.0  # in which the bucket has to answer at the start
    first_delay: float = 0.2
    longest_delay: float = 8.0


async def persistently(
    patience: Patience, function: Callable[[int], Awaitable[ResultT]]
) -> ResultT:
    """The result of the first attempt that does not end in a `TransientError`.

    `function` is told how many attempts there were before. Between them it waits, at random
    up to twice as long each time, and at least as long as the backend asked for.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + patience.total
    for turn in range(patience.attempts):
        try:
            return await function(turn)
        except TransientError as error:
            longest = min(patience.first_delay * 2**turn, patience.longest_delay)
            delay = max(error.wait, random.uniform(longest / 2, longest))  # noqa: S311 - no secret
            if turn + 1 == patience.attempts or loop.time() + delay > end:
                raise
        await asyncio.sleep(delay)
    raise AssertionError("no attempt is allowed")  # pragma: no cover
