"""Blob uploads: resumable on any process, their digest computed while bytes arrive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial

from entrepot.core import hashing, layout
from entrepot.core.blobs import Blobs, check
from entrepot.core.driver import Driver
from entrepot.core.errors import (
    BlobUploadUnknownError,
    DigestInvalidError,
    NotFoundError,
    OffsetError,
    RangeInvalidError,
)
from entrepot.core.hashing import RunningHash
from entrepot.core.listing import exists
from entrepot.core.names import Digest, RepositoryName, UploadId
from entrepot.core.streams import beginning, drain, once
from entrepot.core.threads import Threads

_STATE = 256  # bytes; a saved hash has 204 at most
_MOMENT = 64  # bytes; a time with its zone has 35 at most


class Uploads:
    def __init__(
        self, driver: Driver, name: RepositoryName, blobs: Blobs, threads: Threads
    ) -> None:
        self._driver = driver
        self._name = name
        self._blobs = blobs
        self._threads = threads

    async def start(self, algorithm: str = "sha256") -> UploadSession:
        """A new upload whose bytes will be hashed with `algorithm` as they arrive."""
        id_ = UploadId.new()
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        await self._driver.write(layout.upload_started(self._name, id_), once(now.encode()))
        return self.session(id_, algorithm)

    async def find(self, id_: UploadId, algorithm: str = "sha256") -> UploadSession:
        """Raises BlobUploadUnknownError: if it never began, is finished or cancelled."""
        try:
            await self._driver.stat(layout.upload_started(self._name, id_))
        except NotFoundError:
            raise _unknown(id_) from None
        return self.session(id_, algorithm)

    async def began(self, id_: UploadId) -> float | None:
        """When an upload began, in seconds since the epoch; None if there is no such upload."""
        try:
            key = layout.upload_started(self._name, id_)
            written = await beginning(self._driver, key, _MOMENT)
            moment = datetime.fromisoformat(written.decode().strip())
        except (NotFoundError, ValueError):
            return None
        return moment.timestamp() if moment.tzinfo else None

    def session(self, id_: UploadId, algorithm: str = "sha256") -> UploadSession:
        """One whose existence is not asked for."""
        return UploadSession(self._driver, self._name, id_, algorithm, self._blobs, self._threads)


class UploadSession:
    """One upload. `algorithm` is what its running hash uses; a wrong guess costs a re-read."""

    def __init__(
        self,
        driver: Driver,
        name: RepositoryName,
        id_: UploadId,
        algorithm: str,
        blobs: Blobs,
        threads: Threads,
    ) -> None:
        self.id = id_
        self.algorithm = algorithm
        self._driver = driver
        self._name = name
        self._blobs = blobs
        self._threads = threads
        self._upload = driver.upload(layout.upload(name, id_))

    async def size(self) -> int:
        """Bytes held so far."""
        return await self._upload.size()

    async def append(self, chunks: AsyncIterator[bytes], offset: int | None = None) -> int:
        """Add a stream at the end, durable on return; gives the new size.

        What arrived of a stream that broke off is kept where the driver can.

        Raises RangeInvalidError: if the upload does not end at `offset`, or somebody else
        is appending; nothing has changed then.
        """
        size = await self.size()
        if offset is not None and offset != size:
            raise _out_of_order(offset, size)
        running = await self._resume(self.algorithm, size) or hashing.begin(self.algorithm)
        whole = running.length == size
        try:
            async with aclosing(self._hashed(chunks, running)) as hashed:
                end = await self._upload.append(hashed if whole else chunks, size)
        except OffsetError as error:
            raise _out_of_order(size, await self.size()) from error
        except Exception:
            await self._keep(running, size, await self.size())
            raise
        await self._keep(running, size, end)
        return end

    async def commit(
        self,
        digest: Digest,
        chunks: AsyncIterator[bytes] | None = None,
        offset: int | None = None,
    ) -> int:
        """Finish: the upload, with `chunks` behind it, becomes the blob `digest`.

        A blob that comes whole in `chunks` goes straight to its place. Gives its size in bytes.

        Raises DigestInvalidError: if the content has another digest; the upload is gone then.
        RangeInvalidError: if the upload does not end at `offset`, or somebody else appended
        meanwhile; the upload is as it was then.
        """
        size = await self.size()
        if offset is not None and offset != size:
            raise _out_of_order(offset, size)
        try:
            if chunks is not None and size == 0:
                size = await self._blobs.put(digest, chunks)
                await self._driver.delete([self._started])
                return size
            if chunks is not None:
                self.algorithm = digest.algorithm
                size = await self.append(chunks, size)
            if size == 0 and digest != hashing.begin(digest.algorithm).digest():
                size = await self._finish_again(digest)
            else:
                await self._finish(digest, size)
        except DigestInvalidError:
            await self.cancel()
            raise
        return size

    async def cancel(self) -> None:
        """Remove all that the upload holds; idempotent."""
        await self._upload.abort()
        prefix = layout.upload(self._name, self.id) + "/"
        async with aclosing(self._driver.scan(prefix)) as left:
            await self._driver.delete([item.key async for item in left])

    async def _finish(self, digest: Digest, size: int) -> None:
        running = await self._resume(digest.algorithm, size)

        async def write() -> int:
            if running is not None:
                check(running.digest(), digest)
                await self._upload.commit(layout.blob(digest), size)
            else:
                await self._verify(digest, size)
            return size

        try:
            await self._blobs.receive(digest, write)
        except OffsetError as error:
            raise _out_of_order(size, await self.size()) from error
        await self._driver.delete([self._started, self._state(digest.algorithm, size)])
        if digest.algorithm != self.algorithm or running is None:
            await self.cancel()

    async def _verify(self, digest: Digest, size: int) -> None:
        """Finish without a hash state: set the content aside, read it, then move it."""
        await self._upload.commit(self._aside, size)
        await self._verify_aside(digest)

    async def _verify_aside(self, digest: Digest) -> None:
        running = hashing.begin(digest.algorithm)
        chunks = self._driver.read(self._aside)
        async with aclosing(chunks), aclosing(self._hashed(chunks, running)) as hashed:
            await drain(hashed)
        check(running.digest(), digest)
        await self._driver.move(self._aside, layout.blob(digest))

    async def _finish_again(self, digest: Digest) -> int:
        """Finish what an earlier try left, when the store or the process failed in its middle.

        Gives the blob's size.

        Raises DigestInvalidError: if this upload never had that content.
        """
        size = await self._blobs.receive(digest, partial(self._write_again, digest))
        await self.cancel()
        return size

    async def _write_again(self, digest: Digest) -> int:
        if await exists(self._driver, self._aside):
            await self._verify_aside(digest)
        elif not await self._was_committed(digest):
            check(hashing.begin(digest.algorithm).digest(), digest)
        return (await self._driver.stat(layout.blob(digest))).size

    async def _was_committed(self, digest: Digest) -> bool:
        """Whether a hash saved by this upload shows that it had what now is the blob."""
        prefix = layout.upload_hash_states(self._name, self.id, digest.algorithm)
        async with aclosing(self._driver.scan(prefix)) as states:
            offsets = [item.key.removeprefix(prefix) async for item in states]
        for offset in offsets:
            running = (
                await self._resume(digest.algorithm, int(offset)) if offset.isdecimal() else None
            )
            if running is not None and running.digest().matches(digest):
                return await exists(self._driver, layout.blob(digest))
        return False

    def _hashed(
        self, chunks: AsyncIterator[bytes], running: RunningHash
    ) -> AsyncGenerator[bytes, None]:
        return hashing.hashed(chunks, running, self._threads)

    async def _resume(self, algorithm: str, size: int) -> RunningHash | None:
        """The hash of the upload's first `size` bytes, if it is known."""
        if size == 0:
            return hashing.begin(algorithm)
        try:
            saved = await beginning(self._driver, self._state(algorithm, size), _STATE)
        except NotFoundError:
            return None
        return hashing.resume(algorithm, saved, size)

    async def _keep(self, running: RunningHash, before: int, now: int) -> None:
        """Save the hash for whoever goes on, and drop the one it continues."""
        if now == before:
            return
        state = running.state() if running.length == now else None
        if state is not None:
            await self._driver.write(self._state(running.algorithm, now), once(state))
        if before:
            await self._driver.delete([self._state(running.algorithm, before)])

    def _state(self, algorithm: str, offset: int) -> str:
        return layout.upload_hash_state(self._name, self.id, algorithm, offset)

    @property
    def _aside(self) -> str:
        return layout.upload_unverified(self._name, self.id)

    @property
    def _started(self) -> str:
        return layout.upload_started(self._name, self.id)


def _out_of_order(offset: int, size: int) -> RangeInvalidError:
    return RangeInvalidError(
        f"the upload holds {size} bytes, so the next chunk begins there and not at {offset}",
        size=size,
    )


def _unknown(id_: UploadId) -> BlobUploadUnknownError:
    return BlobUploadUnknownError(
        "no such upload: it is finished, cancelled, expired or was never started",
        detail={"uuid": id_.text},
    )
