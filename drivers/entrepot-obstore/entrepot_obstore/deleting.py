"""Deletion in bulk, and key by key where that fails."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Sequence
from typing import Any

import obstore
from obstore import exceptions

from entrepot.core import DeleteError, NotFoundError, StorageError, UnavailableError
from entrepot.core.concurrency import WIDTH, each
from entrepot_obstore.errors import translated

_BATCH = 1000  # keys of a bulk deletion; obstore cuts it to what the store takes
_FEW = 4  # deletions at a time of what failed before: the store may have too much to do
_FIRST_PAUSE = 0.2  # seconds; each further one is twice as long
_LONGEST_PAUSE = 5.0


async def delete(store: Any, keys: Sequence[str], *, retries: int, seconds: float) -> None:
    """Remove objects; missing ones are no error.

    obstore does not send a bulk deletion again whose answer was lost, and on Azure one of a
    single key is in bulk, too. So what failed is tried again here, so many times at most, as
    long as no more than `seconds` have passed. Raises DeleteError: with each key's trouble.
    """
    end = time.monotonic() + seconds
    wanted = list(dict.fromkeys(keys))

    async def batch(at: int) -> list[str]:
        some = wanted[at : at + _BATCH]
        return some if len(some) == 1 or not await _in_bulk(store, some) else []

    batches = await each(batch, range(0, len(wanted), _BATCH), 2)
    failures: dict[str, StorageError] = {}
    await _one_by_one(store, [key for left in batches for key in left], failures, WIDTH)
    for tried in range(retries):
        again = [key for key, error in failures.items() if isinstance(error, UnavailableError)]
        pause = min(_FIRST_PAUSE * 2**tried, _LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311
        if not again or time.monotonic() + pause > end:
            break
        await asyncio.sleep(pause)
        await _one_by_one(store, again, failures, _FEW, end)
    if failures:
        raise DeleteError(failures)


async def _in_bulk(store: Any, keys: list[str]) -> bool:
    """Whether all are gone; if not, also for one that was absent, on stores that mind."""
    try:
        await obstore.delete_async(store, keys)
    except (exceptions.BaseError, OSError):
        return False
    return True


async def _one_by_one(
    store: Any,
    keys: list[str],
    failures: dict[str, StorageError],
    width: int,
    end: float = math.inf,
) -> None:
    """Remove each by itself, which tells what its trouble is; begin none past `end`."""

    async def one(key: str) -> None:
        if time.monotonic() > end:
            return
        try:
            await obstore.delete_async(store, key)
        except (exceptions.BaseError, OSError) as error:
            failure = translated(key, error)
            if not isinstance(failure, NotFoundError):
                failures[key] = failure
                return
        failures.pop(key, None)

    await each(one, keys, width)
