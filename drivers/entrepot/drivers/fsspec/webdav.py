"""WebDAV through webdav4, asked in few requests and never for a whole tree."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, suppress
from tempfile import SpooledTemporaryFile
from typing import Any

from webdav4.client import (
    ForbiddenOperation,
    InsufficientStorage,
    ResourceAlreadyExists,
    ResourceConflict,
)
from webdav4.fsspec import translate_exceptions, translate_info

from entrepot.core import (
    AccessError,
    Entry,
    ExistsError,
    FullError,
    NotFoundError,
    StorageError,
    UnavailableError,
)
from entrepot.core.fsspec_calls import Calls, translating
from entrepot.core.fsspec_driver import MIB, FsspecDriver
from entrepot.core.fsspec_streams import gathered

_SPOOLED = 4 * MIB  # bytes of an object that wait in memory; more waits on the disk
_ATTEMPTS = 10  # to write into a folder that others remove
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_REFUSED = -1  # no object has that size


class WebdavCalls(Calls):
    """webdav4's calls, less those that ask for more than one object's properties."""

    async def details(self, key: str) -> dict[str, Any]:
        details: dict[str, Any] = await self.ask(key, self._properties, self.path(key))
        if details["type"] == "directory":
            raise NotFoundError(key)
        return details

    def _properties(self, path: str) -> dict[str, Any]:
        client = self.filesystem.client
        found = client.propfind(path, headers={"Depth": "0"})
        response = found.get_response_for_path(client.base_url.path, path)
        details: dict[str, Any] = translate_info({"path": path, **response.properties.as_dict()})
        return details

    async def remove(self, key: str) -> None:
        """Remove an object. The server would take everything below a folder with it."""
        with suppress(NotFoundError):
            await self.details(key)
            await self.call("rm_file", key)

    async def make_folder(self, folder: str) -> None:
        """Make a folder and those above it that are missing."""
        try:
            await self.ask(folder, self.filesystem.client.mkdir, self.path(folder))
        except ExistsError:
            return
        except NotFoundError:
            above = folder.rstrip("/").rpartition("/")[0]
            if self.path(above) == self.path(folder):
                raise
            await self.make_folder(above)
            await self.make_folder(folder)

    async def ask(self, key: str, function: Any, *arguments: Any, **options: Any) -> Any:
        """A call of webdav4's client in a thread, its errors in the contract's words."""

        def work() -> Any:
            with translate_exceptions():
                return function(*arguments, **options)

        with translating(key):
            try:
                return await self.threads.run(work)
            except ResourceConflict as error:  # the folder is missing
                raise NotFoundError(key) from error
            except ResourceAlreadyExists as error:
                raise ExistsError(key) from error
            except ForbiddenOperation as error:
                raise AccessError(key, str(error)) from error
            except InsufficientStorage as error:
                raise FullError(key, str(error)) from error


class WebdavDriver(FsspecDriver):
    """Objects are resources, put beside their target and moved there.

    RFC 4918 lets a server delete what is moved onto first. Within this process nobody sees
    that gap; other replicas may, for an instant, and so may a crash of the server.
    """

    def __init__(self, filesystem: Any, root: str, *, threads: int) -> None:
        super().__init__(filesystem, root, threads=threads)
        self.calls: WebdavCalls = WebdavCalls(filesystem, root, self._threads)
        self._replaced = 0

    async def stat(self, key: str) -> Entry:
        before = self._replaced
        try:
            return await super().stat(key)
        except NotFoundError:
            if not await self._settled(key, before):
                raise
        return await super().stat(key)

    async def _settled(self, key: str, before: int) -> bool:
        """Whether an object may have been in the gap of a move; then that is waited for."""
        lock = self._locks[hash(key) % len(self._locks)]
        if self._replaced == before and not lock.locked():
            return False
        async with lock:
            return True

    # -- reading ------------------------------------------------------------------------

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if stop is not None and stop <= start:
            return
        response, end = await self._answer(key, start, stop)
        if response is None:
            return
        try:
            async with aclosing(self._body(key, response, start, end)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            with suppress(StorageError), translating(key):
                await self._threads.run(response.close)

    async def _answer(self, key: str, start: int, stop: int | None) -> tuple[Any, int]:
        """The answer that has the bytes from `start` to, and that is the second, an end."""
        for attempt in range(_ATTEMPTS):
            before = self._replaced
            size = (await self.stat(key)).size
            end = size if stop is None else min(stop, size)
            if start >= end:
                return None, end
            try:
                return await self._get(key, start, end, size), end
            except UnavailableError:
                if attempt + 1 == _ATTEMPTS or not await self._settled(key, before):
                    raise
        raise AssertionError  # the last attempt returns or raises

    async def _get(self, key: str, start: int, end: int, size: int) -> Any:
        """The answer with a range of an object of that size."""
        client = self.calls.filesystem.client
        headers = {"Accept-Encoding": "identity"}
        if end - start < size:
            headers["Range"] = f"bytes={start}-{end - 1}"

        def ask() -> Any:
            url = client.join_url(self.calls.path(key))
            request = client.http.build_request("GET", url, headers=headers)
            return client.http.send(request, stream=True, follow_redirects=True)

        with translating(key):
            response = await self._threads.obtain(lambda answer: answer.close(), ask)
        if _size_in(response) in {size, None}:
            return response
        with suppress(StorageError), translating(key):
            await self._threads.run(response.close)
        if response.status_code in {200, 206, 404, 416}:
            raise UnavailableError(key, "object was replaced while it was read")
        kind = AccessError if response.status_code in {401, 403} else UnavailableError
        raise kind(key, f"the server answered {response.status_code}")

    async def _body(
        self, key: str, response: Any, start: int, end: int
    ) -> AsyncGenerator[bytes, None]:
        """Bytes [start, end) of an answer, which may be all of the object."""
        told = _RANGE.match(response.headers.get("Content-Range", ""))
        at = int(told[1]) if response.status_code == 206 and told else 0
        pieces: Iterator[bytes] = response.iter_raw(MIB)
        while at < end:
            with translating(key):
                data = await self._threads.run(next, pieces, b"")
            if not data:
                raise UnavailableError(key, f"the answer ends {end - at} bytes early")
            wanted = data[max(start - at, 0) : end - at]
            at += len(data)
            if wanted:
                yield wanted

    # -- writing ------------------------------------------------------------------------

    async def _fill(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Spooled, because many servers take a body of untold length for an empty one."""
        with SpooledTemporaryFile(max_size=_SPOOLED) as spool:
            size = 0
            async with aclosing(gathered(chunks, MIB)) as pieces:
                async for piece in pieces:
                    await self._threads.run(spool.write, piece)
                    size += len(piece)
            await self._upload(key, spool, size)

    async def _upload(self, key: str, spool: Any, size: int) -> None:
        client = self.calls.filesystem.client
        for _ in range(_ATTEMPTS):
            spool.seek(0)
            try:
                await self.calls.ask(
                    key, client.upload_fileobj, spool, self.calls.path(key),
                    overwrite=True, size=size, chunk_size=MIB,
                )  # fmt: skip
            except NotFoundError:
                await self.calls.make_folder(key.rpartition("/")[0])
            except UnavailableError as error:
                if getattr(error.__cause__, "status_code", None) != 409:
                    raise
                await self.calls.make_folder(key.rpartition("/")[0])
            else:
                return
        raise UnavailableError(key, "its folder is removed again and again")

    async def _make_folder(self, key: str) -> None:
        await self.calls.make_folder(key.rpartition("/")[0])

    async def _replace(self, source: str, target: str) -> None:
        try:
            await self._move(source, target, overwrite=True)
        finally:
            self._replaced += 1

    async def _claim(self, source: str, target: str) -> None:
        async with self._turn(target, create=False):
            await self._move(source, target, overwrite=False)

    async def _move(self, source: str, target: str, *, overwrite: bool) -> None:
        move = self.calls.filesystem.client.move
        paths = self.calls.path(source), self.calls.path(target)
        await self.calls.ask(target, move, *paths, overwrite=overwrite)


def _size_in(response: Any) -> int | None:
    """The whole object's size as an answer to GET tells it; None: it does not."""
    headers = response.headers
    if response.status_code == 206:
        told = _RANGE.match(headers.get("Content-Range", ""))
        return int(told[2]) if told else _REFUSED
    if response.status_code == 200:
        length = headers.get("Content-Length", "")
        return int(length) if length.isdigit() else None
    return _REFUSED
