"""Uploads into two stores: the bytes gather in one and are in both before the end is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from entrepot.core import Driver, Entry, OffsetError, Upload


class MirrorUpload(Upload):
    """An upload in whichever store has bytes of it; one that has none begins in the first.

    So while replicas change places of the stores, each goes on where the other left.
    """

    def __init__(
        self,
        first: Driver,
        second: Driver,
        token: str,
        settle: Callable[[str, Driver], Awaitable[None]],
    ) -> None:
        self._token = token
        self._drivers = first, second
        self._own = first.upload(token)
        self._other = second.upload(token)
        self._settle = settle

    async def size(self) -> int:
        return await self._own.size() or await self._other.size()

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        return await (await self._holder()).append(chunks, offset)

    async def commit(self, key: str, size: int) -> Entry:
        holder = await self._holder()
        is_own = holder is self._own
        if is_own and await self._other.size():
            reason = "two replicas took bytes of it that are not each other's"
            raise OffsetError(self._token, reason)
        entry = await holder.commit(key, size)
        await self._settle(key, self._drivers[0 if is_own else 1])
        return entry

    async def abort(self) -> None:
        await self._own.abort()
        await self._other.abort()

    async def _holder(self) -> Upload:
        if not await self._own.size() and await self._other.size():
            return self._other
        return self._own
