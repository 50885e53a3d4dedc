"""The driver contract over any fsspec filesystem, and the base of drivers for one of them."""

from __future__ import annotations

import asyncio
import re
import tempfile
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, ClassVar, Self

from entrepot.core.concurrency import each
from entrepot.core.driver import Driver, Entry, Prefix
from entrepot.core.errors import (
    DeleteError,
    ExistsError,
    NotFoundError,
    StorageError,
    UnavailableError,
)
from entrepot.core.fsspec_calls import Calls, entry_of, settle, translating, version_of
from entrepot.core.fsspec_streams import Counted, ahead_by_one, gathered
from entrepot.core.threads import Threads

MIB = 1024 * 1024
_TEMPORARY = re.compile(r"(?:.*/)?[0-9a-f]{32}\.tmp")
_EMPTY_ONLY = {"file", "ftp", "memory", "sftp", "smb"}  # whose rmdir is known to refuse the rest
_TELL_AT_ONCE = {"file", "sftp", "smb"}  # opening a file tells that its folder is missing
_ONE_AT_A_TIME = {"ftp", "sftp", "ssh"}  # one connection, whose client mixes up threads
_ATTEMPTS = 10  # to write into a folder that others empty and remove


class FsspecDriver(Driver):
    """Keys below `root` of a filesystem made with `skip_instance_cache=True`.

    Its cache of listings is switched off, for it would hide what other replicas do.
    An asynchronous filesystem (made with `asynchronous=True`) is taken for an object store:
    `_pipe_file` and `_put_file` store whole objects. Any other is called in at most `threads`
    threads and must have a rename, because what is written goes to `<uuid>.tmp` in the same
    folder first; a crash leaves that file, which `scan` does not show. FTP and SFTP have one
    connection, so there `threads` is 1. A request to an asynchronous filesystem may take
    `timeout` seconds; a thread cannot be stopped, so there its own library must set a limit.

    `create` is exclusive among the tasks of this driver, not among processes. A subclass for
    one filesystem overrides the underscored methods that it can do better, and says so in
    `exclusive_create` if its `_put` or `_claim` really competes. Use as an async context.
    """

    exclusive_create = False
    beside: ClassVar[bool | None] = None
    """Whether to write beside the target and rename; None: on synchronous filesystems."""

    window: ClassVar[int] = 4 * MIB  # bytes per request of a ranged read; two are in memory

    def __init__(
        self, filesystem: Any, root: str = "", *, threads: int = 16, timeout: float | None = None
    ) -> None:
        protocol = filesystem.protocol
        names = {protocol} if isinstance(protocol, str) else set(protocol)
        single = not _ONE_AT_A_TIME.isdisjoint(names)
        self._threads = Threads(1 if single else threads, "fsspec")
        self.calls = Calls(filesystem, root, self._threads, timeout)
        self.ranged = self.calls.asynchronous or self.calls.overrides("cat_file")
        self._beside = not self.calls.asynchronous if self.beside is None else self.beside
        self._locks = [asyncio.Lock() for _ in range(64)]
        self._tells = not _TELL_AT_ONCE.isdisjoint(names)
        self._folders = not self.calls.asynchronous and self.calls.overrides("makedirs")
        self._prunes = self._folders and not _EMPTY_ONLY.isdisjoint(names)
        renames = self.calls.asynchronous or self.calls.overrides("mv")
        if not renames and type(self)._replace is FsspecDriver._replace:
            raise ValueError(
                f"{type(filesystem).__name__} has no rename, so nothing can be stored whole or "
                "not at all; subclass FsspecDriver and override _replace"
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self._threads.close()

    async def stat(self, key: str) -> Entry:
        return entry_of(key, await self.calls.details(key))

    # -- reading ------------------------------------------------------------------------

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if stop is not None and stop <= start:
            return
        reading = self._windows if self.ranged else self._stream
        async with aclosing(reading(key, start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _read_range(self, key: str, start: int, stop: int) -> bytes:
        """One request for bytes [start, stop), which is not empty and inside the object."""
        data = bytes(await self.calls.call("cat_file", key, start=start, end=stop))
        if len(data) != stop - start:
            raise UnavailableError(key, f"got {len(data)} of {stop - start} bytes")
        return data

    async def _windows(self, key: str, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        """One ranged request after another, the next under way while one is consumed."""
        details = await self.calls.details(key)
        size = int(details["size"])
        end = size if stop is None else min(stop, size)
        if start == 0 and end == size <= self.window:
            data = bytes(await self.calls.call("cat_file", key))
            if len(data) != size:
                raise UnavailableError(key, f"got {len(data)} of {size} bytes")
            yield data
            return

        async def fetch(at: int, following: int) -> bytes:
            data = await self._read_range(key, at, following)
            if following == end:
                await self._check_unchanged(key, details)
            return data

        async with aclosing(ahead_by_one(fetch, start, end, self.window)) as chunks:
            async for data in chunks:
                yield data

    async def _check_unchanged(self, key: str, before: dict[str, Any]) -> None:
        """Keeps what was read from being the beginning of one content and the end of another."""
        try:
            after = await self.calls.details(key)
        except NotFoundError:
            return  # deleted since, so it was not replaced before
        if version_of(after) != version_of(before):
            raise UnavailableError(key, "object was replaced while it was read")

    async def _stream(self, key: str, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        """An open file, read on in a thread. It shows what it was opened on till the end."""
        file, end = await self._open_file(key, start, stop)
        try:
            while start < end:
                with translating(key):
                    data = await self._threads.run(file.read, min(MIB, end - start))
                if not data:
                    raise UnavailableError(key, f"file ends {end - start} bytes early")
                start += len(data)
                yield bytes(data)
        finally:
            with suppress(StorageError), translating(key):
                await self._threads.run(file.close)

    async def _open_file(self, key: str, start: int, stop: int | None) -> tuple[Any, int]:
        def opened() -> tuple[Any, int]:
            file = self.calls.filesystem.open(self.calls.path(key), "rb")
            file.seek(0, 2)  # a size from before the opening might be another content's
            size = int(file.tell())
            file.seek(start)
            return file, size if stop is None else min(stop, size)

        with translating(key):
            return await self._threads.obtain(lambda result: result[0].close(), opened)

    # -- writing ------------------------------------------------------------------------

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        if self._beside:
            return await self._put_beside(key, chunks, create=create)
        counted = Counted(chunks)
        await self._put(key, counted, create=create)
        return await self._arrived(key, counted.size)

    async def _arrived(self, key: str, size: int) -> Entry:
        """What was just written, if it is there and whole: no filesystem is taken at its word."""
        try:
            entry = await self.stat(key)
        except NotFoundError as error:
            raise UnavailableError(key, "object is not there after it was written") from error
        if entry.size != size:
            raise UnavailableError(key, f"{entry.size} of {size} bytes arrived")
        return entry

    async def _put(self, key: str, chunks: AsyncIterator[bytes], *, create: bool) -> None:
        """Store a stream on an object store; what is larger than a window waits on disk."""
        async with aclosing(gathered(chunks, self.window)) as pieces:
            first = await anext(pieces, b"")
            second = await anext(pieces, None)
            if second is None:
                async with self._turn(key, create=create):
                    await self.calls.call("pipe_file", key, first)
                return
            spool = await self._threads.obtain(_close, tempfile.NamedTemporaryFile)
            try:
                for piece in (first, second):
                    await self._threads.run(spool.write, piece)
                async for piece in pieces:
                    await self._threads.run(spool.write, piece)
                await self._threads.run(spool.flush)
                async with self._turn(key, create=create):
                    await self._put_file(key, spool.name)
            finally:
                await self._threads.run(spool.close)

    async def _put_file(self, key: str, path: str) -> None:
        """Store a local file whole or not at all."""
        with translating(key):
            await self.calls.filesystem._put_file(path, self.calls.path(key))

    async def _put_beside(self, key: str, chunks: AsyncIterator[bytes], *, create: bool) -> Entry:
        """Write a file in the same folder, then give it its name."""
        temporary = f"{key.rpartition('/')[0]}/{uuid.uuid4().hex}.tmp".lstrip("/")
        counted = Counted(chunks)
        try:
            await self._fill(temporary, counted)
            entry = await self._arrived(temporary, counted.size)
            if create:
                await self._claim(temporary, key)
            else:
                async with self._turn(key, create=False):
                    await self._replace(temporary, key)
        except BaseException:
            with suppress(StorageError):
                await self._remove(temporary)
            raise
        return Entry(key, entry.size, entry.modified)

    async def _claim(self, source: str, target: str) -> None:
        """Give a file another name unless something has it. The folder exists.

        Raises ExistsError. It competes with this driver's tasks only: a subclass that lets the
        filesystem decide in one step says so in `exclusive_create`.
        """
        async with self._turn(target, create=True):
            await self._replace(source, target)

    async def _replace(self, source: str, target: str) -> None:
        """Give a file another name in one step, replacing what has it. The folder exists."""
        await self.calls.call("mv", source, self.calls.path(target))

    async def _fill(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Make a file of a stream, durable where the filesystem lets one ask for it."""
        file = await self._create_file(key)
        try:
            async with aclosing(gathered(chunks, MIB)) as pieces:
                async for piece in pieces:
                    with translating(key):
                        await self._threads.run(file.write, piece)
            with translating(key):
                await self._threads.run(settle, file)
        except BaseException:
            with suppress(StorageError), translating(key):
                await self._threads.run(file.close)
            raise

    async def _create_file(self, key: str) -> Any:
        def opened() -> Any:
            return self.calls.filesystem.open(self.calls.path(key), "wb")

        for attempt in range(_ATTEMPTS):
            try:
                if attempt or not self._tells:
                    await self._make_folder(key)
                with translating(key):
                    return await self._threads.obtain(_close, opened)
            except NotFoundError:
                continue  # the folder's last object was deleted, and the folder with it
        raise UnavailableError(key, "its folder is removed again and again")

    async def _make_folder(self, key: str) -> None:
        folder = key.rpartition("/")[0]
        if self._folders:
            with suppress(ExistsError):  # made by somebody else meanwhile
                await self.calls.call("makedirs", folder, exist_ok=True)

    @asynccontextmanager
    async def _turn(self, key: str, *, create: bool) -> AsyncGenerator[None, None]:
        """The time in which one task of this driver alone gives content to a key."""
        async with self._locks[hash(key) % len(self._locks)]:
            if create:
                with suppress(NotFoundError):
                    await self.stat(key)
                    raise ExistsError(key)
            yield

    # -- deleting and moving ------------------------------------------------------------

    async def delete(self, keys: Sequence[str]) -> None:
        failures: dict[str, StorageError] = {}

        async def remove(key: str) -> None:
            try:
                await self._remove(key)
            except StorageError as error:
                failures[key] = error

        await each(remove, dict.fromkeys(keys))
        if failures:
            raise DeleteError(failures)

    async def _remove(self, key: str) -> None:
        """Remove an object and the folders that are empty then; a missing one is no error."""
        await self.calls.remove(key)
        if self._prunes:
            await self._prune(key)

    async def _prune(self, key: str) -> None:
        folder = key.rpartition("/")[0]
        with suppress(StorageError):  # it is not empty, or others do the same
            while folder:
                await self.calls.call("rmdir", folder)
                folder = folder.rpartition("/")[0]

    async def move(self, source: str, target: str) -> Entry:
        """A rename where there are names to change; elsewhere a copy."""
        if not self._beside or source == target:
            return await super().move(source, target)
        for _ in range(_ATTEMPTS):
            await self.stat(source)
            await self._make_folder(target)
            with suppress(NotFoundError):  # either of the two; the next turn tells
                async with self._turn(target, create=False):
                    await self._replace(source, target)
                break
        if self._prunes:
            await self._prune(source)
        return await self.stat(target)

    # -- scanning -----------------------------------------------------------------------

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        stack = await self._list(prefix[: prefix.rfind("/") + 1], prefix, after)
        while stack:
            key, details = stack.pop()
            if details is not None:
                yield entry_of(key, details)
            elif not delimiter or len(key) <= len(prefix):
                stack += await self._list(key, prefix, after)
            elif await self._holds(key, after):
                yield Prefix(key)

    async def _list(
        self, folder: str, prefix: str, after: str
    ) -> list[tuple[str, dict[str, Any] | None]]:
        """A folder's objects, and folders (without details) to look into, the last one first."""
        found: list[tuple[str, dict[str, Any] | None]] = []
        for key, details in (await self.calls.folder(folder)).items():
            if key.endswith("/"):
                reaches = key.startswith(prefix) or prefix.startswith(key)
                if reaches and (key > after or after.startswith(key)):
                    found.append((key, None))
            elif key.startswith(prefix) and key > after and not _TEMPORARY.fullmatch(key):
                found.append((key, details))
        return sorted(found, key=lambda item: item[0], reverse=True)

    async def _holds(self, folder: str, after: str) -> bool:
        """Whether any object of a folder is past `after`; folders may be empty."""
        async with aclosing(self.scan(folder, after=after)) as entries:
            return await anext(entries, None) is not None


def _close(file: Any) -> None:
    file.close()
