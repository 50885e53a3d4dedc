"""An fsspec filesystem made from a URL, or the reason why it cannot be."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import fsspec
from fsspec.asyn import AsyncFileSystem
from fsspec.registry import known_implementations

from entrepot.core import AccessError, StorageError, UnavailableError
from entrepot.core.configuration.tree import is_list, is_mapping
from entrepot.core.fsspec_calls import storage_error
from entrepot.drivers.fsspec.options import FsspecOptions
from entrepot.drivers.fsspec.unsuitable import protocol_of

ResultT = TypeVar("ResultT")
_UNWANTED = re.compile(r"unexpected keyword argument '(\w+)'")
_WANTED = re.compile(r"missing \d+ required \S+ arguments?: (.*)")
_SSH = {"sftp", "ssh"}
_SSHFS = "pip install sshfs"
_OPEN = {"host", "base_url", "endpoint_url", "username", "user", "known_hosts"}  # no secrets
_SHORTEST_SECRET = 4  # characters; hiding every shorter one would make messages unreadable


@dataclass(frozen=True, slots=True)
class Place:
    """A filesystem's class, what it is made with, and the folder in it that is the store."""

    protocol: str
    kind: Any
    arguments: Mapping[str, Any]
    root: str

    @property
    def is_asynchronous(self) -> bool:
        return issubclass(self.kind, AsyncFileSystem)

    def make(self, **more: Any) -> Any:
        """Raises StorageError: if the filesystem refuses its options, or cannot connect."""
        try:
            return self.kind(**{**more, **self.arguments}, skip_instance_cache=True)
        except Exception as error:
            raise self.refused(error) from error

    def refused(self, error: Exception) -> StorageError:
        """What to tell a person when the filesystem cannot be reached or used as configured."""
        for cause in (error, error.__cause__):
            if isinstance(cause, TypeError):
                return StorageError("", self._explained(cause))
        told = error if isinstance(error, StorageError) else storage_error("", error)
        kind = type(told) if isinstance(told, AccessError | UnavailableError) else StorageError
        return kind("", self.discreet(f"cannot open {self.protocol}://: {told.reason}"))

    def discreet(self, text: str) -> str:
        """A text without any of the options' values that are long enough for a secret."""
        for secret in sorted(_texts(self.arguments), key=len, reverse=True):
            text = text.replace(secret, "******")
        return text

    def _explained(self, error: TypeError) -> str:
        text = str(error)
        if found := _UNWANTED.search(text):
            return f"options: {self.protocol}:// does not take {found[1]!r}"
        if found := _WANTED.search(text):
            return f"options: {self.protocol}:// needs {found[1]}"
        return self.discreet(f"options: {self.protocol}:// does not take them: {text}")


def place_of(options: FsspecOptions) -> Place:
    """Raises StorageError: if no such filesystem is installed; the message says what brings it."""
    url, arguments = options.url, dict(options.options)
    while url.startswith("dir::"):
        url = url.removeprefix("dir::")
        arguments = arguments.get(protocol_of(url), arguments)
    protocol = protocol_of(url)
    kind = _class(protocol)
    return Place(protocol, kind, _from_url(kind, url) | arguments, url)


def _class(protocol: str) -> Any:
    library: Any = fsspec
    try:
        kind = library.get_filesystem_class(protocol)
    except ImportError as error:
        hint = known_implementations.get(protocol, {}).get("err", str(error))
        hint = _SSHFS if protocol in _SSH else hint
        raise StorageError("", f"{protocol}:// is not installed: {hint}") from error
    except ValueError as error:
        raise StorageError(
            "", f"fsspec knows no {protocol}://; is the package that brings it installed?"
        ) from error
    if protocol in _SSH and kind.__module__ == "fsspec.implementations.sftp":
        raise StorageError(
            "",
            f"{protocol}:// through paramiko trusts any host and does not come back when its one "
            f"connection is lost: {_SSHFS}",
        )
    return kind


def _from_url(kind: Any, url: str) -> dict[str, Any]:
    found: dict[str, Any] = dict(kind._get_kwargs_from_urls(url))
    found.pop("protocol", None)
    password = found.get("password")
    if isinstance(password, str):
        found["password"] = unquote(urlsplit(url).password or password)
    return {name: value for name, value in found.items() if value is not None}


def _texts(value: Any) -> set[str]:
    if is_mapping(value):
        return {
            text for name, below in value.items() if name not in _OPEN for text in _texts(below)
        }
    if is_list(value):
        return {text for below in value for text in _texts(below)}
    return {value} if isinstance(value, str) and len(value) >= _SHORTEST_SECRET else set()


async def in_time(
    function: Callable[[], ResultT], release: Callable[[ResultT], object], seconds: float
) -> ResultT:
    """The result of a call that may hang for ever, in a thread that then is left to itself.

    What it gives after all goes to `release`. Raises TimeoutError.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[ResultT] = loop.create_future()

    def hand_over(result: ResultT | None, error: BaseException | None) -> None:
        if future.done():
            if error is None and result is not None:
                Thread(target=release, args=(result,), daemon=True).start()
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # there is one or the other

    def work() -> None:
        result, failure = None, None
        try:
            result = function()
        except BaseException as error:
            failure = error
        try:
            loop.call_soon_threadsafe(hand_over, result, failure)
        except RuntimeError:  # the loop has ended meanwhile
            if result is not None:
                release(result)

    Thread(target=work, name="fsspec-opening", daemon=True).start()
    return await asyncio.wait_for(future, seconds)
