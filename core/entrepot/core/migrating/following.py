"""How one store's object is made to follow another's while anybody may change either.

All that write to both stores keep one rule, and nothing else is needed: the source is changed by
clients' requests alone, and whoever last wrote to the target reads the source afterwards, until
it is what was written. So when nobody writes any more, the target is as the source: what was
deleted meanwhile is not brought back, and what was pushed meanwhile is not taken away. Only a
process that dies between its write and that look leaves them apart; whoever follows next, a run
of `migrate` at the latest, puts it right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError, UnavailableError

_TRIES = 16  # each takes one more change by somebody else, at just this moment


async def fingerprint(driver: Driver, key: str) -> str | None:
    """Tells an object's states apart; None: there is none.

    A blob's content is what its key says, so it costs a stat; anything else is read.
    """
    try:
        if layout.digest_of_blob(key) is not None:
            return str((await driver.stat(key)).size)
        hashing = hashlib.sha256()
        async with aclosing(driver.read(key)) as chunks:
            async for chunk in chunks:
                hashing.update(chunk)
    except NotFoundError:
        return None
    return hashing.hexdigest()


async def follow(
    source: Driver, target: Driver, key: str, copy: Callable[[str], Awaitable[str | None]]
) -> bool:
    """Make the target's object what the source's is, and stay until it is; whether there is one.

    `copy` writes the source's object to the target and gives the fingerprint of what it wrote,
    or None if the source has none: then the target's is removed.

    Raises StorageError, UnavailableError: if somebody changes it again and again; and what
    `copy` raises.
    """
    for _ in range(_TRIES):
        written = await copy(key)
        if written is None:
            await target.delete([key])
        if await fingerprint(source, key) == written:
            return written is not None
    raise UnavailableError(key, "it was changed again and again while it was copied")
