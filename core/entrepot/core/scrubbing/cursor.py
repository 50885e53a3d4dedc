"""How far a run has come: kept on the store, so that the next one goes on, wherever it runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import DigestInvalidError, NotFoundError
from entrepot.core.names import Digest
from entrepot.core.streams import beginning, once

_DAMAGED = "damaged"
_LARGEST = 4 * 1024 * 1024  # bytes; 10,000 digests take a fifth of it


@dataclass(slots=True)
class Cursor:
    """Where a run goes on. `began` is in seconds since the epoch.

    `blobs` is a place among the blobs, None when all have had their turn; `repository` the last
    one that was looked at, `wrong` counts what is wrong in repositories up to there.
    """

    began: float
    blobs: str | None = ""
    repository: str = ""
    repair: bool = False
    wrong: int = 0


def _key(name: str) -> str:
    return f"{layout.OURS}scrub/{name}.json"


async def load(driver: Driver, name: str) -> Cursor | None:
    """The cursor of a kind of run; None if there is none, or none that can be read."""
    try:
        cursor = Cursor(**await _read(driver, name))
        began, wrong = float(cursor.began), int(cursor.wrong)
    except (NotFoundError, ValueError, TypeError):
        return None
    blobs = None if cursor.blobs is None else str(cursor.blobs)
    return Cursor(began, blobs, str(cursor.repository), bool(cursor.repair), wrong)


async def save(driver: Driver, name: str, cursor: Cursor) -> None:
    await driver.write(_key(name), once(json.dumps(asdict(cursor)).encode()))


async def forget(driver: Driver, name: str) -> None:
    await driver.delete([_key(name)])


async def load_damaged(driver: Driver) -> list[Digest]:
    """Blobs that were damaged when a run of any kind last looked at them."""
    try:
        return [Digest.parse(str(text)) for text in await _read(driver, _DAMAGED)]
    except (NotFoundError, ValueError, TypeError, DigestInvalidError):
        return []


async def save_damaged(driver: Driver, digests: Iterable[Digest]) -> None:
    listed = list(map(str, digests))
    if listed:
        await driver.write(_key(_DAMAGED), once(json.dumps(listed).encode()))
    else:
        await forget(driver, _DAMAGED)


async def _read(driver: Driver, name: str) -> Any:
    return json.loads(await beginning(driver, _key(name), _LARGEST))
