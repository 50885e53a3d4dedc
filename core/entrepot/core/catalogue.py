"""The names of all repositories, read off the store's folders."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.listing import children, holds
from entrepot.core.names import RepositoryName

Enters = Callable[[str], bool]
"""Whether a folder may hold, itself or below it, what is looked for."""


def everywhere(_: str) -> bool:
    return True


async def repositories(
    driver: Driver, after: str = "", enters: Enters = everywhere
) -> AsyncGenerator[str, None]:
    """Repositories that hold a manifest and come after a name, depth first.

    The order is Distribution's: `/` comes before every other character. Costs two listings
    for each folder passed, none for those before `after` or that `enters` leaves out.
    """
    parts = after.split("/") if after else []
    async with aclosing(_below(driver, "", parts, enters)) as names:
        async for name in names:
            yield name


async def _below(
    driver: Driver, path: str, after: list[str], enters: Enters
) -> AsyncGenerator[str, None]:
    first = after[0] if after else ""
    if first and enters(path + first):
        async with aclosing(_below(driver, f"{path}{first}/", after[1:], enters)) as names:
            async for name in names:
                yield name
    async with aclosing(children(driver, layout.REPOSITORIES + path, first)) as folders:
        async for folder in folders:
            if folder.startswith("_"):
                continue
            here = path + folder
            if not enters(here):
                continue
            if await holds(driver, layout.revisions(RepositoryName(here))):
                yield here
            async with aclosing(_below(driver, f"{here}/", [], enters)) as names:
                async for deeper in names:
                    yield deeper
