"""Removal of uploads that nobody goes on with.

Finding them costs a listing for each folder of repositories, none of their content, and one for
each upload. Source: Distribution's `storage.maintenance.uploadpurging`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from entrepot.core import inventory, layout
from entrepot.core.concurrency import WIDTH, each
from entrepot.core.driver import Driver, Entry, Prefix
from entrepot.core.errors import (
    BlobUploadUnknownError,
    NotFoundError,
    StorageError,
)
from entrepot.core.names import RepositoryName, UploadId
from entrepot.core.registry import Registry
from entrepot.core.streams import beginning

_LOG = logging.getLogger("entrepot.purging")
_UPLOADS = "_uploads"
_STARTED = 64  # bytes; the text has 20


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload that was not finished, or what is left of one.

    Times are seconds since the epoch. `began` is what the upload says, else when its oldest
    object was written; `touched` is when its newest one was. `size` is the bytes of its objects,
    which on some backends are not all that it holds.
    """

    repository: RepositoryName
    id: UploadId
    began: float
    touched: float
    size: int

    def age(self, now: float) -> float:
        """Seconds in which nobody went on with it; an upload that began just now has few."""
        return now - max(self.began, self.touched)


@dataclass(frozen=True, slots=True)
class Purged:
    """How many uploads were looked at, were (or would be) removed, and could not be."""

    seen: int = 0
    removed: int = 0
    failed: int = 0


async def open_uploads(driver: Driver) -> AsyncGenerator[OpenUpload, None]:
    """All uploads that the store has, in no order.

    Folders that are no uploads are passed over: whatever lies there is not ours.
    """
    async with aclosing(inventory.repositories(driver, _UPLOADS)) as names:
        async for name in names:
            async with aclosing(uploads_of(driver, name)) as uploads:
                async for upload in uploads:
                    yield upload


async def purge(
    registry: Registry,
    older: float,
    now: float,
    *,
    dry_run: bool = False,
    told: Callable[[OpenUpload], None] | None = None,
) -> Purged:
    """Remove uploads that nobody went on with for `older` seconds; the backend's session too.

    `told` hears of each one that is (or with `dry_run`: would be) removed. An upload that
    cannot be removed is logged and does not stop the others.

    Raises StorageError: if the uploads cannot be listed.
    """
    seen = removed = failed = 0
    batch: list[OpenUpload] = []

    async def cancel(upload: OpenUpload) -> bool:
        try:
            await _cancel(registry, upload)
        except StorageError as error:
            _LOG.warning("upload %s of %s not purged: %s", upload.id, upload.repository, error)
            return False
        return True

    async def flush() -> None:
        nonlocal removed, failed
        done = [True] * len(batch) if dry_run else await each(cancel, batch)
        for upload, is_done in zip(batch, done, strict=True):
            removed, failed = removed + is_done, failed + (not is_done)
            if is_done and told is not None:
                told(upload)
        batch.clear()

    async with aclosing(open_uploads(registry.driver)) as uploads:
        async for upload in uploads:
            seen += 1
            if upload.age(now) > older:
                batch.append(upload)
            if len(batch) == WIDTH:
                await flush()
    await flush()
    return Purged(seen, removed, failed)


async def _cancel(registry: Registry, upload: OpenUpload) -> None:
    await registry.repository(upload.repository).uploads.session(upload.id).cancel()


async def uploads_of(driver: Driver, name: RepositoryName) -> AsyncGenerator[OpenUpload, None]:
    """The uploads of one repository, in no order."""
    prefix = f"{layout.repository(name)}{_UPLOADS}/"
    async with aclosing(driver.scan(prefix, delimiter="/")) as items:
        async for item in items:
            if not isinstance(item, Prefix):
                continue
            try:
                id_ = UploadId.parse(item.key[len(prefix) : -1])
            except BlobUploadUnknownError:
                continue
            found = await _look(driver, name, id_)
            if found is not None:
                yield found


async def _look(driver: Driver, name: RepositoryName, id_: UploadId) -> OpenUpload | None:
    """What the store has of an upload; None if it is gone meanwhile."""
    oldest, newest, size = float("inf"), 0.0, 0
    async with aclosing(driver.scan(layout.upload(name, id_) + "/")) as entries:
        async for entry in entries:
            assert isinstance(entry, Entry)
            oldest, newest = min(oldest, entry.modified), max(newest, entry.modified)
            size += entry.size
    if not newest:
        return None
    began = await _began(driver, layout.upload_started(name, id_))
    return OpenUpload(name, id_, oldest if began is None else began, newest, size)


async def _began(driver: Driver, key: str) -> float | None:
    """When an upload says that it began; None if it does not, or nonsense."""
    try:
        text = await beginning(driver, key, _STARTED)
        moment = datetime.fromisoformat(text.decode("ascii").strip())
    except (NotFoundError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
