"""Two listings as one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from entrepot.core import Entry, Prefix

Listing = AsyncGenerator[Entry | Prefix, None]


async def merged(first: Listing, second: Listing) -> Listing:
    """What either listing has, in byte order; of what both have, the first one's. Closes both."""
    async with aclosing(first), aclosing(second):
        here, there = await anext(first, None), await anext(second, None)
        while here is not None or there is not None:
            if there is None or (here is not None and here.key <= there.key):
                assert here is not None
                yield here
                if there is not None and there.key == here.key:
                    there = await anext(second, None)
                here = await anext(first, None)
            else:
                yield there
                there = await anext(second, None)
