"""Many objects gone in few requests, each one's failure kept apart."""

from __future__ import annotations

from collections.abc import Sequence

from entrepot.core.concurrency import each
from entrepot_oss.errors import Refused
from entrepot_oss.verbs import DELETED_AT_ONCE, Verbs

_WIDTH = 4  # requests for many at once


async def delete(verbs: Verbs, names: Sequence[str]) -> dict[str, Refused]:
    """Delete objects; gives those that are still there, and why."""
    failures: dict[str, Refused] = {}

    async def one(name: str) -> None:
        try:
            await verbs.delete(name)
        except Refused as refused:
            failures[name] = refused

    async def batch(some: Sequence[str]) -> None:
        try:
            gone = await verbs.delete_many(some) if len(some) > 1 else set[str]()
        except Refused as refused:
            failures.update(dict.fromkeys(some, refused))
        else:  # what the answer leaves out says why when it is asked for alone
            await each(one, [name for name in some if name not in gone])

    distinct = list(dict.fromkeys(names))
    batches = [
        distinct[at : at + DELETED_AT_ONCE] for at in range(0, len(distinct), DELETED_AT_ONCE)
    ]
    await each(batch, batches, _WIDTH)
    return failures
