"""The storage driver contract: what a backend must do, and what it may do faster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from entrepot.core.plugin_options import PluginOptions


@dataclass(frozen=True, slots=True)
class Entry:
    """What a driver knows of an object without reading it."""

    key: str
    size: int  # bytes
    modified: float  # seconds since the epoch, UTC


@dataclass(frozen=True, slots=True)
class Prefix:
    """Keys that share everything up to a delimiter, given as one by `Driver.scan`."""

    key: str  # ends with the delimiter


class Driver(ABC):
    """One storage backend, shared by all tasks of one event loop.

    Five methods are abstract; they alone serve a whole registry. The others have defaults
    that are right but slow: override those for which the backend has a faster way. Keys are
    relative, `/`-separated and checked before the driver sees them; no key is another one
    followed by a `/` and more, so folders and objects never compete for a name. Every method raises
    `StorageError` kinds only and lets `CancelledError` through.
    """

    exclusive_create: bool = True
    """False, of a class or an instance: two `write(create=True)` may both win there.

    What needs one winner (online deletion) then refuses, naming this as the reason.
    """

    collectable: bool = True
    """False, of a class or an instance: garbage is not to be collected while registries serve.

    A driver over two stores says so, whose replicas may ask different ones who came first.
    """

    @abstractmethod
    async def stat(self, key: str) -> Entry:
        """Size and time of an object.

        Raises NotFoundError: only when the backend said that there is no such object.
        """

    @abstractmethod
    def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Stream bytes [start, stop) in chunks of about 1 MiB where the backend allows.

        A `stop` past the end, or None, means to the end; an empty range gives nothing.
        Closed early, it returns its connection or file. Concurrent reads do not disturb
        each other.

        Raises NotFoundError: at the first step, if there is no such object.
        """

    @abstractmethod
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        """Store a stream, whole or not at all; durable on return.

        No reader ever sees a part of it. An exception out of `chunks`, or cancellation,
        propagates and leaves the key as it was: that is how the core refuses a stream whose
        digest is wrong.

        Raises ExistsError: with `create`, if the key exists. Of any number of concurrent
        creates exactly one succeeds (unless `exclusive_create` is False).
        """

    @abstractmethod
    async def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, as many requests at once as suits the backend.

        A key that does not exist is no error. A failing key does not stop the others.

        Raises DeleteError: with the keys that are still there and each one's reason.
        """

    @abstractmethod
    def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        """Objects whose key begins with `prefix` and is past `after`, in the keys' byte order.

        `prefix` is a string of any form, not a folder; "" means the whole store. With a
        `delimiter`, keys that share the text up to its first occurrence behind the prefix
        come as one `Prefix`, given when any of them is past `after`. Memory does not grow
        with the number of keys of a listing page by page; pages are not seen outside.
        An object written or deleted while the scan runs may or may not be in it.
        """

    # -- accelerators: right by default, fast when overridden ---------------------------

    async def copy(self, source: str, target: str) -> Entry:
        """Make `target` an equal of `source`, complete on return. Costs reading it all.

        Raises NotFoundError: if `source` does not exist; `target` is then as it was.
        """
        async with aclosing(self.read(source)) as chunks:
            return await self.write(target, chunks)

    async def move(self, source: str, target: str) -> Entry:
        """Make `source` be found under `target` alone. Costs a copy; a crash leaves both.

        Raises NotFoundError: if `source` does not exist; `target` is then as it was.
        """
        entry = await self.copy(source, target)
        if source != target:
            await self.delete([source])
        return entry

    async def sift(
        self, prefix: str, wanted: Callable[[str], bool | str]
    ) -> AsyncGenerator[Entry, None]:
        """Objects whose key begins with `prefix`, in the keys' byte order, without some of them.

        `wanted` may be asked about any folder below the prefix, by its key with the slash, in
        the order of the keys, one at a time, also from another thread. What is below a folder
        that it refused is left out. It may answer with a name: of what is below the folder,
        only the object of that name right in it is wanted, and the rest may be left out. Asks
        nothing and gives everything, for a listing of an object store costs no more; where
        folders are real, those need not be opened.
        """
        async with aclosing(self.scan(prefix)) as items:
            async for item in items:
                if isinstance(item, Entry):
                    yield item

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        """A URL at which a client gets the object itself, for `seconds`; None: stream it."""
        return None

    def local_path(self, key: str) -> str | None:
        """The file that holds exactly this object's bytes; None: there is no such file.

        Makes no request; the file may be missing. The HTTP server sends it without a byte
        passing through Python.
        """
        return None

    def upload(self, token: str) -> Upload:
        """The upload of that token, begun or not; makes no request.

        `token` is a key. The driver may keep objects below it, named `<token>/data` or
        `<token>/data/…`; other names below it are the core's.
        """
        from entrepot.core.staging import StagedUpload  # noqa: PLC0415 - it is built on Driver

        return StagedUpload(self, token)


class Upload(ABC):
    """An object under construction, addressed by its token.

    It keeps nothing in the process: any process, on any replica, goes on where another left.
    """

    @abstractmethod
    async def size(self) -> int:
        """Bytes held so far; 0 for an upload that never began, is committed or aborted.

        An upload of size 0 holds nothing at the backend that somebody has to clean up.
        """

    @abstractmethod
    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        """Add a stream at the end, durable on return; gives the new size.

        If `chunks` raises, or on cancellation, what `size` then says is durable and a true
        prefix of the stream: all, some or none of the new bytes.

        Raises OffsetError: if the size is not `offset`, or another append holds the upload.
        """

    @abstractmethod
    async def commit(self, key: str, size: int) -> Entry:
        """Make the upload the object `key`, whole or not at all, and end the upload.

        An object already under `key` is replaced. `size` 0 without any append stores an
        empty object.

        Raises OffsetError: if the upload's size is not `size`; nothing has changed then.
        """

    @abstractmethod
    async def abort(self) -> None:
        """Forget the upload and free what it holds at the backend; idempotent."""


class DriverOptions(PluginOptions):
    """What a driver's section of the configuration may contain: subclass it, one field a key."""


OptionsT_contra = TypeVar("OptionsT_contra", bound=DriverOptions, contravariant=True)
OptionsT = TypeVar("OptionsT", bound=DriverOptions)


class OpenDriver(Protocol[OptionsT_contra]):
    """Opens a driver inside a running event loop; leaving the context closes its clients.

    Raises StorageError: if the backend cannot be used as configured; the message says why.
    """

    def __call__(self, options: OptionsT_contra, /) -> AbstractAsyncContextManager[Driver, Any]: ...
