"""Many objects gone in few requests, each one's failure kept apart."""

from __future__ import annotations

from collections.abc import Sequence

from entrepot.core.concurrency import each
from entrepot.drivers.s3.errors import Refused
from entrepot.drivers.s3.verbs import DELETED_AT_ONCE, Verbs

_WIDTH = 4  # bulk requests at once
_UNSUPPORTED = {405, 411, 501}


async def delete(verbs: Verbs, keys: Sequence[str]) -> dict[str, Refused]:
    """Delete whole keys; gives those that are still there, and why."""
    failures: dict[str, Refused] = {}

    async def one(key: str) -> None:
        try:
            await verbs.delete(key)
        except Refused as refused:
            failures[key] = refused

    async def batch(some: Sequence[str]) -> None:
        if len(some) == 1:
            await one(some[0])
            return
        try:
            failed = await verbs.delete_many(some)
        except Refused as refused:
            if refused.status in _UNSUPPORTED or refused.code == "NotImplemented":
                await each(one, some)
            else:
                failures.update(dict.fromkeys(some, refused))
            return
        again = [key for key, refused in failed.items() if refused.passes]
        failures.update({key: failed[key] for key in failed.keys() - set(again)})
        await each(one, again)

    unique = list(dict.fromkeys(keys))
    batches = [unique[at : at + DELETED_AT_ONCE] for at in range(0, len(unique), DELETED_AT_ONCE)]
    await each(batch, batches, _WIDTH)
    return failures
