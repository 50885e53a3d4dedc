"""Storing streams: small ones in one request, large ones through a session."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from entrepot.core import ExistsError, NotFoundError, StorageError, UnavailableError
from entrepot.drivers.gcs.errors import PreconditionError
from entrepot.drivers.gcs.names import FIELDS, WRITER, Names, Stored, encoded
from entrepot.drivers.gcs.patience import persistently
from entrepot.drivers.gcs.pieces import Piece, Pieces
from entrepot.drivers.gcs.session import Session
from entrepot.drivers.gcs.wire import Request, Wire

_CANCELLING = 5.0  # seconds that a cancelled beginning may take
CONTENT_TYPE = "application/octet-stream"
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be written. `writer` is set to create: it tells ours from another's object."""

    key: str
    writer: str = ""

    @classmethod
    def of(cls, key: str, *, create: bool) -> Target:
        return cls(key, uuid.uuid4().hex if create else "")

    @property
    def params(self) -> dict[str, str]:
        return {"fields": FIELDS, **({"ifGenerationMatch": "0"} if self.writer else {})}


class Writing:
    """Stores objects, and checks that what is stored is what was sent."""

    def __init__(self, wire: Wire, names: Names) -> None:
        self._wire = wire
        self._names = names

    async def store(self, target: Target, pieces: Pieces, most: int | None = None) -> Stored:
        """Make an object of a stream's pieces, or of the next ones that are `most` bytes.

        Raises ExistsError: if it is to be created and there is one.
        """
        if await _is_one(pieces, most):
            return await self._put(target, await pieces.take())
        session = await self._begun(target)
        try:
            return await self._send(target, session, pieces, most)
        except BaseException:
            await session.cancel()
            raise

    async def _put(self, target: Target, piece: Piece) -> Stored:
        """One request. Its boundary is random, made when the content was already known."""
        boundary = uuid.uuid4().hex
        crc32c = piece.crc32c(0)
        resource = json.dumps(self._resource(target) | {"crc32c": encoded(crc32c)})
        head = (
            f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{resource}\r\n"
            f"--{boundary}\r\nContent-Type: {CONTENT_TYPE}\r\n\r\n"
        )
        request = Request(
            "POST",
            self._names.upload,
            {"uploadType": "multipart", **target.params},
            {"Content-Type": f"multipart/related; boundary={boundary}"},
            (head.encode(), *piece.parts, f"\r\n--{boundary}--\r\n".encode()),
            seconds=self._wire.patience.transfer,
        )

        async def attempt(turn: int) -> Stored:
            try:
                answer = await self._wire.once(target.key, request)
            except PreconditionError as error:
                return await self._mine(target, error, is_certain=not turn)
            return self._names.stored(answer.json(target.key))

        stored = await persistently(self._wire.patience, attempt)
        return await self._check(target, stored, piece.size, crc32c)

    async def _begun(self, target: Target) -> Session:
        """A session that is not lost if this is cancelled before its name has come."""
        beginning = asyncio.ensure_future(self._begin(target))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            await asyncio.wait([beginning], timeout=_CANCELLING)
            if beginning.cancel():
                await asyncio.wait([beginning])
            elif beginning.exception() is None:
                await beginning.result().cancel()
            raise

    async def _begin(self, target: Target) -> Session:
        request = Request(
            "POST",
            self._names.upload,
            {"uploadType": "resumable", **target.params},
            {"Content-Type": "application/json"},
            (json.dumps(self._resource(target)).encode(),),
        )
        answer = await _creating(target, self._wire.ask(target.key, request))
        location = answer.headers.get("Location", "")
        if "://" not in location:
            raise UnavailableError(target.key, "the backend gave no upload session")
        return Session(self._wire, target.key, location)

    async def _send(
        self, target: Target, session: Session, pieces: Pieces, most: int | None
    ) -> Stored:
        """Send one piece while the next one comes."""
        piece = await pieces.take()
        while not piece.is_last and session.size + piece.size != most:
            sending = asyncio.ensure_future(session.send(piece))
            try:
                piece = await pieces.take()
                await sending
            finally:
                sending.cancel()
                await asyncio.wait([sending])
                _ = sending.cancelled() or sending.exception()
        last = Piece(piece.parts, piece.size, is_last=True)
        answer = await _creating(target, session.send(last))
        stored = self._names.stored(answer.json(target.key))
        return await self._check(target, stored, session.size, session.crc32c)

    def _resource(self, target: Target) -> dict[str, object]:
        mark = {"metadata": {WRITER: target.writer}} if target.writer else {}
        return {"name": self._names.name(target.key), "contentType": CONTENT_TYPE, **mark}

    async def _mine(self, target: Target, error: PreconditionError, *, is_certain: bool) -> Stored:
        """The object that is there, if an earlier attempt made it whose answer was lost."""
        if not is_certain:
            try:
                request = Request("GET", self._names.path(target.key), {"fields": FIELDS})
                answer = await self._wire.ask(target.key, request)
            except NotFoundError:
                raise ExistsError(target.key) from error
            stored = self._names.stored(answer.json(target.key))
            if stored.writer == target.writer:
                return stored
        raise ExistsError(target.key) from error

    async def _check(self, target: Target, stored: Stored, size: int, crc32c: int) -> Stored:
        """Take back what is not what was sent."""
        if stored.size == size and stored.crc32c in {"", encoded(crc32c)}:
            return stored
        path = self._names.path(target.key)
        params = {"ifGenerationMatch": stored.generation}
        try:
            await self._wire.ask(target.key, Request("DELETE", path, params))
        except StorageError as error:
            reason = "the backend stored other bytes than were sent, and they are still there"
            raise UnavailableError(target.key, reason) from error
        raise UnavailableError(target.key, "the backend stored other bytes than were sent")


async def _is_one(pieces: Pieces, most: int | None) -> bool:
    first = await pieces.look()
    return first.is_last or first.size == most


async def _creating(target: Target, work: Awaitable[ResultT]) -> ResultT:
    try:
        return await work
    except PreconditionError as error:
        raise ExistsError(target.key) from error
