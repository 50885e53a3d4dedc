"""A registry over SFTP: files written beside their target, linked or renamed into place."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import asyncssh

from entrepot.core import ExistsError, NotFoundError, StorageError, UnavailableError
from entrepot.core.fsspec_driver import MIB, FsspecDriver
from entrepot.core.fsspec_streams import ahead_by_one, gathered
from entrepot.core.threads import Threads
from entrepot.drivers.fsspec.ssh import Connection, SshCalls, telling

_ATTEMPTS = 10  # to write into a folder that others empty and remove
_READ = 2 * MIB  # bytes read at a time, in many requests at once
_SYNCING = 4.0  # times the time-out that a file may take to reach the server's disk


class SshDriver(FsspecDriver):
    """Objects are files. OpenSSH's server links hard, so there creation has one winner."""

    beside = True
    exclusive_create = True

    def __init__(self, connection: Connection, root: str) -> None:
        filesystem = connection.filesystem
        filesystem.asynchronous = True  # its coroutines run here, in the loop it connected in
        super().__init__(filesystem, root, timeout=connection.timeout)
        self._connection = connection
        self._syncs = True
        self._prunes = True
        self.calls: SshCalls = SshCalls(filesystem, root, Threads(1), connection.timeout)
        self.calls.connection = connection

    # -- reading ------------------------------------------------------------------------

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if stop is not None and stop <= start:
            return
        async with self._opened(key, "rb") as file:
            end = await self._end(key, file, stop)

            async def fetch(at: int, following: int) -> bytes:
                with telling(key):
                    async with asyncio.timeout(self._connection.timeout):
                        data = bytes(await file.read(following - at, at))
                if len(data) != following - at:
                    raise UnavailableError(key, f"got {len(data)} of {following - at} bytes")
                return data

            async with aclosing(ahead_by_one(fetch, start, end, _READ)) as chunks:
                async for data in chunks:
                    yield data

    async def _end(self, key: str, file: Any, stop: int | None) -> int:
        with telling(key):
            async with asyncio.timeout(self._connection.timeout):
                attributes = await file.stat()
        if stat.S_ISDIR(attributes.permissions or 0):
            raise NotFoundError(key)
        size = int(attributes.size)
        return size if stop is None else min(stop, size)

    @asynccontextmanager
    async def _opened(self, key: str, mode: str) -> AsyncGenerator[Any, None]:
        async with self._channel(key) as channel:
            with telling(key):
                async with asyncio.timeout(self._connection.timeout):
                    file = await channel.open(self.calls.path(key), mode)
            try:
                yield file
            except BaseException:
                with suppress(StorageError):
                    await self._close_file(key, file)
                raise
            await self._close_file(key, file)

    @asynccontextmanager
    async def _channel(self, key: str) -> AsyncGenerator[Any, None]:
        held = self._connection.channel()
        with telling(key):
            async with asyncio.timeout(self._connection.timeout):
                channel = await held.__aenter__()
        try:
            yield channel
        finally:
            await held.__aexit__(None, None, None)

    async def _close_file(self, key: str, file: Any) -> None:
        with telling(key):
            async with asyncio.timeout(self._connection.timeout):
                await file.close()

    # -- writing ------------------------------------------------------------------------

    async def _fill(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        async with self._created(key) as file, aclosing(gathered(chunks, _READ)) as pieces:
            offset = 0
            async for piece in pieces:
                with telling(key):
                    async with asyncio.timeout(self._connection.timeout):
                        await file.write(piece, offset)
                offset += len(piece)
            await self._settle(key, file)

    @asynccontextmanager
    async def _created(self, key: str) -> AsyncGenerator[Any, None]:
        for _ in range(_ATTEMPTS):
            opening = self._opened(key, "xb")
            try:
                file = await opening.__aenter__()
            except NotFoundError:
                await self._make_folder(key)
                continue
            break
        else:
            raise UnavailableError(key, "its folder is removed again and again")
        async with _entered(opening):
            yield file

    async def _make_folder(self, key: str) -> None:
        folder = key.rpartition("/")[0]
        await self.calls.make_folder(f"{folder}/" if folder else "")

    async def _settle(self, key: str, file: Any) -> None:
        """Bring a file to the server's disk, where the server has a word for that."""
        if self._syncs:
            try:
                with telling(key):
                    async with asyncio.timeout(_SYNCING * self._connection.timeout):
                        await file.fsync()
            except UnavailableError as error:
                if not isinstance(error.__cause__, asyncssh.SFTPOpUnsupported):
                    raise
                self._syncs = False

    async def _replace(self, source: str, target: str) -> None:
        await self._rename("posix_rename", source, target)

    async def _claim(self, source: str, target: str) -> None:
        if not self.exclusive_create:
            await super()._claim(source, target)
            return
        try:
            await self._rename("link", source, target)
        except UnavailableError as error:
            if isinstance(error.__cause__, asyncssh.SFTPFailure) and await self._is_there(target):
                raise ExistsError(target) from error
            raise
        with suppress(StorageError):  # it has its name; what is left is not seen in a scan
            await self.calls.call("rm_file", source)

    async def _is_there(self, key: str) -> bool:
        try:
            await self.stat(key)
        except NotFoundError:
            return False
        return True

    async def _rename(self, how: str, source: str, target: str) -> None:
        async with self._channel(target) as channel:
            with telling(target):
                async with asyncio.timeout(self._connection.timeout):
                    rename = getattr(channel, how)
                    await rename(self.calls.path(source), self.calls.path(target))


@asynccontextmanager
async def _entered(context: Any) -> AsyncGenerator[None, None]:
    """Leave, in the right way, a context that was entered before."""
    try:
        yield
    except BaseException as error:
        if not await context.__aexit__(type(error), error, error.__traceback__):
            raise
    else:
        await context.__aexit__(None, None, None)
