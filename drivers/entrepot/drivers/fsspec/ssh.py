"""SFTP through sshfs: one connection on the registry's own loop, made anew when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import Any

import asyncssh

from entrepot.core import AccessError, FullError, NotFoundError, UnavailableError
from entrepot.core.fsspec_calls import Calls, translating
from entrepot.drivers.fsspec.filesystems import Place

_KINDS: dict[tuple[type[Exception], ...], type[Exception]] = {
    (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath): FileNotFoundError,
    (asyncssh.SFTPNotADirectory, asyncssh.SFTPFileIsADirectory): NotADirectoryError,
    (asyncssh.SFTPFileAlreadyExists,): FileExistsError,
    (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect): PermissionError,
    (asyncssh.PermissionDenied,): PermissionError,
}
_FULL = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
_FIRST_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"  # a quarter less processor time
_LIVES_ASKED = 3  # times within the time-out that a silent server is asked for a sign of life


@contextmanager
def telling(key: str) -> Generator[None, None, None]:
    """Turns what asyncssh raises into the contract's kind of it."""
    with translating(key):
        try:
            yield
        except asyncssh.HostKeyNotVerifiable as error:
            reason = (
                f"the server's host key is not known ({error.reason}): put it into the file that "
                "the option `known_hosts` names, by default ~/.ssh/known_hosts"
            )
            raise AccessError(key, reason) from error
        except _FULL as error:
            raise FullError(key, error.reason) from error
        except asyncssh.Error as error:
            for kinds, kind in _KINDS.items():
                if isinstance(error, kinds):
                    raise kind(error.reason) from error
            raise


class Connection:
    """The SSH connection of a filesystem, and the SFTP channels in it."""

    def __init__(self, place: Place, timeout: float) -> None:
        self._place = place
        self._lock = asyncio.Lock()
        self.timeout = timeout
        self.filesystem: Any = None

    async def connect(self) -> None:
        """Make the filesystem and connect it. Raises StorageError: what to do about it."""
        place = replace(self._place, kind=_unconnected(self._place.kind))
        filesystem = place.make(
            asynchronous=True,
            keepalive_interval=self.timeout / _LIVES_ASKED,
            keepalive_count_max=_LIVES_ASKED - 1,
            known_hosts=(),  # asyncssh's own default; sshfs would trust any host
            encryption_algs=_FIRST_CIPHERS,
        )
        try:
            with telling(""):
                async with asyncio.timeout(self.timeout):
                    await filesystem.connected()
        except Exception as error:
            raise self._place.refused(error) from error
        self.filesystem = filesystem

    async def alive(self) -> Any:
        """The filesystem, connected again if the connection is lost."""
        if self.filesystem.client.is_closed():
            async with self._lock:
                if self.filesystem.client.is_closed():
                    await self.connect()
        return self.filesystem

    @asynccontextmanager
    async def channel(self) -> AsyncGenerator[Any, None]:
        """An SFTP session, which others may use at the same time."""
        filesystem = await self.alive()
        async with filesystem._pool.get() as channel:
            yield channel

    async def close(self) -> None:
        with suppress(Exception):
            async with asyncio.timeout(self.timeout):
                await self.filesystem.close()
        self.filesystem.client.abort()


class SshCalls(Calls):
    """Calls of a filesystem whose connection may have to be made anew."""

    connection: Connection

    async def call(self, method: str, key: str, *arguments: Any, **options: Any) -> Any:
        self.filesystem = await self.connection.alive()
        with telling(key):
            function = getattr(self.filesystem, f"_{method}")
            async with asyncio.timeout(self.timeout):
                return await function(self.path(key), *arguments, **options)

    async def make_folder(self, folder: str) -> None:
        """Make a folder and those above it that are missing; asked for in as few requests."""
        try:
            await self.call("mkdir", folder, create_parents=False)
        except NotFoundError:
            above = folder.rstrip("/").rpartition("/")[0]
            if not self.path(above).strip("/") or self.path(above) == self.path(folder):
                raise
            await self.make_folder(above)
            await self.make_folder(folder)
        except UnavailableError:
            await self._expect_folder(folder)  # version 3 of SFTP has no word for "exists"

    async def _expect_folder(self, folder: str) -> None:
        details = await self.call("info", folder)
        if details["type"] != "directory":
            raise UnavailableError(folder, "a file lies where a folder is needed")


def _unconnected(kind: Any) -> Any:
    """sshfs's filesystem, which would connect in its constructor, on a loop of its own."""

    def connect(self: Any, host: str, pool_type: Any, **arguments: Any) -> tuple[None, None]:
        del arguments["timeout"]
        self.connecting = (host, pool_type, arguments)
        return None, None

    async def connected(self: Any) -> None:
        host, pool_type, arguments = self.connecting
        taken = arguments["connect_args"]
        for ours in ("asynchronous", "use_listings_cache", "loop"):
            taken.pop(ours, None)
        self._client, self._pool = await self._connect(host, pool_type, **arguments)
        async with self._pool.get():
            pass  # a server may refuse SFTP only now

    async def close(self: Any) -> None:
        await self._pool.close()
        await self._stack.aclose()

    methods = {"connect": connect, "connected": connected, "close": close, "cachable": False}
    return type(kind.__name__, (kind,), methods)
