"""What the checks of the `health` section look at. Their texts hold no secrets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import AccessError, NotFoundError, StorageError
from entrepot.core.threads import Threads

if TYPE_CHECKING:
    import httpx2

_KEY = f"{layout.REPOSITORIES}_health"
"""A key that nothing is stored under: names of repositories do not begin like this."""


class UnhealthyError(Exception):
    """A check failed; the message may be shown to anybody, `cause` is for the log."""

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


class Probe(Protocol):
    """One look. Raises UnhealthyError: if what it sees is not well."""

    async def __call__(self) -> None: ...


class StorageProbe:
    """The store says whether an object exists; it need not."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def __call__(self) -> None:
        try:
            await self._driver.stat(_KEY)
        except NotFoundError:
            return
        except AccessError as error:
            raise _of_storage("the storage refuses access", error) from error
        except StorageError as error:
            raise _of_storage("the storage does not answer", error) from error


def _of_storage(told: str, error: StorageError) -> UnhealthyError:
    return UnhealthyError(f"{told}; the registry's log has the cause", str(error))


class FileProbe:
    """A file that must not exist. A look on a dead network mount cannot be ended."""

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)

    async def __call__(self) -> None:
        threads = Threads(1, "health")
        try:
            await threads.run(self._look)
        finally:
            threads.close()

    def _look(self) -> None:
        try:
            os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise UnhealthyError(error.strerror or "cannot be looked for") from error
        raise UnhealthyError("file exists")


class TcpProbe:
    """An address that must take connections."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    async def __call__(self) -> None:
        try:
            _, writer = await asyncio.open_connection(self._host, self._port)
        except (OSError, ValueError) as error:
            told = f"connection to {self._host}:{self._port} failed"
            raise UnhealthyError(told, str(error)) from error
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


class HttpProbe:
    """A URL that must answer HEAD with a certain status."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        url: str,
        headers: Mapping[str, Sequence[str]],
        status: int,
        timeout: float,
    ) -> None:
        self._client = client
        self._url = url
        self._headers = [(name, value) for name, values in headers.items() for value in values]
        self._status = status
        self._timeout = timeout

    async def __call__(self) -> None:
        import httpx2  # noqa: PLC0415 - only where a check needs it

        try:
            request = self._client.stream(
                "HEAD", self._url, headers=self._headers, timeout=self._timeout
            )
            async with request as response:  # its body is never read
                status = response.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            told = f"error while checking: {without_secrets(self._url)}"
            raise UnhealthyError(told, type(error).__name__) from error
        if status != self._status:
            raise UnhealthyError(f"downstream service returned unexpected status: {status}")


def without_secrets(url: str) -> str:
    """A URL without what may be a password or a key: user, query and fragment."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
