"""When tags were pulled last, to the day: recorded for rules of `policy.tags` with `pulls`.

One small object for each tag says it by the time it was written, and is written again when it is
a day old. So a pull counts until a day after its record. Of what was pulled before the recording
began nothing is known; it counts as pulled when that was.
"""

from __future__ import annotations

from contextlib import aclosing

from entrepot.core import layout
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import NotFoundError
from entrepot.core.names import RepositoryName, Tag
from entrepot.core.streams import once

DAY = 86_400.0
_SILENCE = 3 * DAY  # so long without anybody who records, and recording begins anew
_CONTENT = b"pulled"
_NAME = "/at"


async def record(driver: Driver, name: RepositoryName, tag: Tag, now: float) -> None:
    """The tag was pulled; costs one request, two once a day. Raises StorageError."""
    key = layout.pulled(name, tag)
    if now - (await _written(driver, key) or 0.0) >= DAY:
        await driver.write(key, once(_CONTENT))


async def keep_recording(driver: Driver, now: float) -> None:
    """To be called twice a day at least, and before the first pull is recorded.

    Raises StorageError.
    """
    alive = await _written(driver, layout.RECORDING)
    if alive is None or now - alive > _SILENCE:
        await driver.write(layout.RECORDING_BEGAN, once(_CONTENT))
    if alive is None or now - alive > DAY / 4:
        await driver.write(layout.RECORDING, once(_CONTENT))


async def recorded_since(driver: Driver, now: float) -> float:
    """Since when every pull is recorded, in seconds since the epoch; `now` if none is."""
    alive = await _written(driver, layout.RECORDING)
    began = await _written(driver, layout.RECORDING_BEGAN)
    return now if alive is None or began is None or now - alive > _SILENCE else began


async def pulled(driver: Driver, name: RepositoryName) -> dict[str, float]:
    """Until when each tag counts as pulled; those that were not, as far as is known, are not in
    it. Costs a listing.
    """
    prefix = layout.pulls(name)
    async with aclosing(driver.scan(prefix)) as entries:
        return {
            entry.key[len(prefix) : -len(_NAME)]: entry.modified + DAY
            async for entry in entries
            if isinstance(entry, Entry) and entry.key.endswith(_NAME)
        }


async def _written(driver: Driver, key: str) -> float | None:
    try:
        return (await driver.stat(key)).modified
    except NotFoundError:
        return None
