"""Folders and objects among the repositories and blobs that no registry made."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from entrepot.core import layout
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import NameInvalidError
from entrepot.core.names import ALGORITHMS, RepositoryName
from entrepot.core.scrubbing.findings import Finding


async def oddities(driver: Driver) -> AsyncGenerator[Finding, None]:
    """What no walk of a registry comes by. Costs a listing for each folder of names."""
    async with aclosing(driver.scan(layout.BLOBS, delimiter="/")) as items:
        async for item in items:
            if isinstance(item, Entry):
                yield _stray(item.key)
            elif item.key[len(layout.BLOBS) : -1] not in ALGORITHMS:
                yield Finding("not-a-name", item.key, "no algorithm of digests is called that")
    async with aclosing(_below(driver, "")) as found:
        async for finding in found:
            yield finding


async def _below(driver: Driver, path: str) -> AsyncGenerator[Finding, None]:
    prefix = layout.REPOSITORIES + path
    folders: list[str] = []
    async with aclosing(driver.scan(prefix, delimiter="/")) as items:
        async for item in items:
            name = item.key[len(prefix) :].rstrip("/")
            if isinstance(item, Entry):
                yield _stray(item.key)
            elif name.startswith("_"):
                continue
            elif _is_name(path + name):
                folders.append(name)
            else:
                yield Finding("not-a-name", item.key, "no repository can be called that")
    for folder in folders:
        async with aclosing(_below(driver, f"{path}{folder}/")) as found:
            async for finding in found:
                yield finding


def _is_name(text: str) -> bool:
    try:
        RepositoryName.parse(text)
    except NameInvalidError:
        return False
    return True


def _stray(key: str) -> Finding:
    kind = "temporary" if key.endswith(".tmp") else "stray"
    return Finding(kind, key, "no registry's object")
