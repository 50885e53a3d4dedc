"""How much a store holds, and for which repositories: figures off listings, nothing is read.

Who has what is gathered in a temporary database on disk, because a digest is to be found with
each of its owners and a store has no index of them. So memory does not grow with the store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from entrepot.core import inventory
from entrepot.core.concurrency import WIDTH, each
from entrepot.core.driver import Driver
from entrepot.core.errors import UnavailableError
from entrepot.core.inventory import Item
from entrepot.core.links import read_link
from entrepot.core.names import Digest, RepositoryName

_BATCH = 1000  # rows that are written at a time
_FOLDERS = ("_layers", "_manifests")
_TABLES = """
    CREATE TABLE blobs (digest BLOB PRIMARY KEY, size INTEGER) WITHOUT ROWID;
    CREATE TABLE links (digest BLOB, owner INTEGER, PRIMARY KEY (digest, owner)) WITHOUT ROWID;
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    BEGIN;
"""
_OWNED = """
    SELECT blobs.digest, owner, size FROM blobs LEFT JOIN links USING (digest)
    ORDER BY blobs.digest
"""
_MISSING = "SELECT count(*) FROM links WHERE digest NOT IN (SELECT digest FROM blobs)"


@dataclass(slots=True)
class Holding:
    """What one repository has. `logical` and `own` are bytes: of all that it links to, and of
    that part to which no other repository links.
    """

    repository: RepositoryName
    manifests: int = 0
    blobs: int = 0  # that are no manifests
    logical: int = 0
    own: int = 0

    @property
    def shared(self) -> int:
        """Bytes of what other repositories link to, too."""
        return self.logical - self.own


@dataclass(frozen=True, slots=True)
class Account:
    """What a store has. `physical` are the bytes of all `blobs` on it, manifests among them;
    `unlinked` of those to which no repository links. `missing` counts links to nothing.
    """

    holdings: tuple[Holding, ...]
    blobs: int
    physical: int
    unlinked: int
    missing: int

    @property
    def logical(self) -> int:
        """Bytes that repositories would have if none shared anything."""
        return sum(holding.logical for holding in self.holdings)


async def account(driver: Driver, told: Callable[[int], None] | None = None) -> Account:
    """Figures of a whole store, by repository in the catalogue's order.

    What is pushed or deleted meanwhile may be counted or not. `told` hears of every so many
    more links and blobs seen. Costs listings of all links and all blobs.

    Raises UnavailableError: also if there is no place for temporary files.
    """
    with _gathering() as gathered:
        holdings = await _links(driver, gathered, told or _nobody)
        async with aclosing(inventory.blobs(driver)) as blobs:
            async for batch in _batches(blobs, told or _nobody):
                gathered.executemany(
                    "INSERT OR REPLACE INTO blobs VALUES (?, ?)",
                    [(_packed(blob.digest), blob.size) for blob in batch],
                )
        return _counted(gathered, holdings)


async def count_tags(
    driver: Driver, names: Iterable[RepositoryName], told: Callable[[int], None] | None = None
) -> int:
    """Tags that point to something, in these repositories. Costs reading each tag's link."""
    count = 0
    for name in names:
        async with aclosing(inventory.tags(driver, name)) as tags:
            async for _, digest in tags:
                count += digest is not None
                (told or _nobody)(1)
    return count


@contextmanager
def _gathering() -> Generator[sqlite3.Connection, None, None]:
    try:
        with closing(sqlite3.connect("", isolation_level=None)) as connection:
            connection.executescript(_TABLES)
            yield connection
    except sqlite3.Error as error:
        raise UnavailableError("", f"this machine's temporary files: {error}") from error


async def _links(
    driver: Driver, gathered: sqlite3.Connection, told: Callable[[int], None]
) -> list[Holding]:
    holdings: list[Holding] = []

    async def gather(owner: int) -> None:
        holding = holdings[owner]
        name = holding.repository
        holding.manifests = await add(owner, inventory.revisions(driver, name))
        holding.blobs = await add(owner, inventory.layer_links(driver, name))

    async def add(owner: int, links: AsyncGenerator[Item, None]) -> int:
        count = 0
        async with aclosing(links):
            async for batch in _batches(links, told):
                rows = [(_packed(await _target(driver, link)), owner) for link in batch]
                gathered.executemany("INSERT OR IGNORE INTO links VALUES (?, ?)", rows)
                count += len(batch)
        return count

    waiting: list[int] = []
    async with aclosing(inventory.repositories(driver, *_FOLDERS)) as names:
        async for name in names:
            waiting.append(len(holdings))
            holdings.append(Holding(name))
            if len(waiting) == 4 * WIDTH:
                await each(gather, waiting)
                waiting.clear()
    await each(gather, waiting)
    return holdings


async def _target(driver: Driver, link: Item) -> Digest:
    """Whose bytes a link stands for: Distribution's aliases are as long as another digest."""
    if link.size in {0, len(str(link.digest))}:
        return link.digest
    return await read_link(driver, link.key) or link.digest


def _counted(gathered: sqlite3.Connection, holdings: list[Holding]) -> Account:
    blobs = physical = unlinked = 0
    rows: Iterator[tuple[bytes, int | None, int]] = gathered.execute(_OWNED)
    for _, found in groupby(rows, key=itemgetter(0)):
        owners: list[int] = []
        size = 0
        for _, owner, size in found:  # noqa: B007 - it is the same in each row
            if owner is not None:
                owners.append(owner)
        blobs, physical = blobs + 1, physical + size
        unlinked += 0 if owners else size
        for owner in owners:
            holdings[owner].logical += size
        if len(owners) == 1:
            holdings[owners[0]].own += size
    (missing,) = gathered.execute(_MISSING).fetchone()
    return Account(tuple(holdings), blobs, physical, unlinked, missing)


async def _batches(
    items: AsyncGenerator[Item, None], told: Callable[[int], None]
) -> AsyncGenerator[list[Item], None]:
    batch: list[Item] = []
    async for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            told(len(batch))
            yield batch
            batch = []
    told(len(batch))
    yield batch


def _packed(digest: Digest) -> bytes:
    """Short; digests of different algorithms differ in length."""
    return bytes.fromhex(digest.hex)


def _nobody(_: int) -> None:
    """Hears nothing."""
