"""What stands around a driver: the base of storage middlewares, and how one is opened."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from entrepot.core.driver import Driver, Entry, Prefix, Upload
from entrepot.core.plugin_options import PluginOptions


class WrappingDriver(Driver):
    """A driver around another one that passes everything on: override what you change.

    Nothing here calls a method of its own, so each way to the store has to be overridden
    where it matters: what `write` stores also comes by `copy`, `move` and the `commit` of
    an upload, and what `read` gives also by `link` and `local_path`.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.exclusive_create = driver.exclusive_create
        self.collectable = driver.collectable

    async def stat(self, key: str) -> Entry:
        return await self.driver.stat(key)

    def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        return self.driver.read(key, start, stop)

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        return await self.driver.write(key, chunks, create=create)

    async def delete(self, keys: Sequence[str]) -> None:
        await self.driver.delete(keys)

    def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        return self.driver.scan(prefix, after=after, delimiter=delimiter)

    def sift(self, prefix: str, wanted: Callable[[str], bool | str]) -> AsyncGenerator[Entry, None]:
        """By a `scan` that was overridden, if it was, which is slower but not wrong."""
        if type(self).scan is WrappingDriver.scan:
            return self.driver.sift(prefix, wanted)
        return super().sift(prefix, wanted)

    async def copy(self, source: str, target: str) -> Entry:
        return await self.driver.copy(source, target)

    async def move(self, source: str, target: str) -> Entry:
        return await self.driver.move(source, target)

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        return await self.driver.link(key, method, seconds)

    def local_path(self, key: str) -> str | None:
        return self.driver.local_path(key)

    def upload(self, token: str) -> Upload:
        return self.driver.upload(token)


class MiddlewareOptions(PluginOptions):
    """What a middleware's `options` may contain: subclass it, one field a key."""

    keeps_copies: ClassVar[bool] = False
    """True, of a class: it answers from copies of what the store has. Who has to see the store
    itself, as a scrub does, leaves it out.
    """


MiddlewareOptionsT = TypeVar("MiddlewareOptionsT", bound=MiddlewareOptions)
MiddlewareOptionsT_contra = TypeVar(
    "MiddlewareOptionsT_contra", bound=MiddlewareOptions, contravariant=True
)


class OpenMiddleware(Protocol[MiddlewareOptionsT_contra]):
    """Puts a driver around an open one, inside a running event loop.

    Leaving the context ends what the middleware began; the driver within is closed by whoever
    opened it, later. Keys have been checked when they arrive; errors get the driver's name on
    their way out.

    Raises StorageError: if it cannot work as configured; the message says why.
    """

    def __call__(
        self, options: MiddlewareOptionsT_contra, driver: Driver, /
    ) -> AbstractAsyncContextManager[Driver, Any]: ...
