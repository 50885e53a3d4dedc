"""How far a run has come: kept on the store, so that the next one goes on, wherever it runs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import DigestInvalidError, NotFoundError
from entrepot.core.names import Digest
from entrepot.core.streams import beginning, once

_LARGEST = 4 * 1024 * 1024  # bytes; 10,000 digests take a fifth of it


@dataclass(slots=True)
class Cursor:
    """Where a run goes on. `began` is in seconds since the epoch.

    `blobs` is a place among the blobs, None when all have had their turn; `repository` the last
    one that was looked at. `damaged` are blobs that were, `wrong` counts what is wrong in the
    repositories up to there.
    """

    began: float
    blobs: str | None = ""
    repository: str = ""
    repair: bool = False
    wrong: int = 0
    damaged: list[str] = field(default_factory=list[str])


def _key(name: str) -> str:
    return f"{layout.OURS}scrub/{name}.json"


async def load(driver: Driver, name: str) -> Cursor | None:
    """The cursor of a kind of run; None if there is none, or none that can be read."""
    try:
        found: Any = json.loads(await beginning(driver, _key(name), _LARGEST))
        cursor = Cursor(**found)
        cursor.damaged = [str(Digest.parse(text)) for text in cursor.damaged]
        blobs, began, wrong = cursor.blobs, float(cursor.began), int(cursor.wrong)
    except (NotFoundError, ValueError, TypeError, DigestInvalidError):
        return None
    cursor.began, cursor.wrong = began, wrong
    cursor.blobs = None if blobs is None else str(blobs)
    cursor.repository, cursor.repair = str(cursor.repository), bool(cursor.repair)
    return cursor


async def save(driver: Driver, name: str, cursor: Cursor) -> None:
    await driver.write(_key(name), once(json.dumps(asdict(cursor)).encode()))


async def forget(driver: Driver, name: str) -> None:
    await driver.delete([_key(name)])
