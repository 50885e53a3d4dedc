"""What is there: an object, anything below a prefix, names in their own order."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from entrepot.core.driver import Driver, Prefix
from entrepot.core.errors import NotFoundError


async def exists(driver: Driver, key: str) -> bool:
    """Whether there is an object of that key."""
    try:
        await driver.stat(key)
    except NotFoundError:
        return False
    return True


async def holds(driver: Driver, prefix: str) -> bool:
    """Whether any object's key begins with `prefix`."""
    async with aclosing(driver.scan(prefix)) as entries:
        async for _ in entries:
            return True
    return False


async def children(driver: Driver, prefix: str, after: str = "") -> AsyncGenerator[str, None]:
    """Names of the folders directly below `prefix` that are past `after`, in byte order.

    A store lists `v1-a/` before `v1/`, because `-` is less than `/`; by name `v1` comes
    first. So when a name comes that continues a shorter one that way, the shorter one is
    looked for ahead of its turn. Memory does not grow with the number of names.
    """
    ahead: set[str] = set()  # given out before their turn
    asked: set[str] = set()  # shorter names looked for while the listing is among their likes
    async with aclosing(driver.scan(prefix, after=prefix + after, delimiter="/")) as entries:
        async for item in entries:
            if not isinstance(item, Prefix):
                continue
            name = item.key[len(prefix) : -1]
            if name <= after or name in ahead:
                ahead.discard(name)
                continue
            asked = {shorter for shorter in asked if name.startswith(shorter)}
            for shorter in _shorter(name):
                if shorter > after and shorter not in asked:
                    asked.add(shorter)
                    if await holds(driver, f"{prefix}{shorter}/"):
                        ahead.add(shorter)
                        yield shorter
            yield name


def _shorter(name: str) -> list[str]:
    """Names that come before `name` although their folders are listed after its folder."""
    return [name[:end] for end in range(1, len(name)) if name[end] < "/"]
