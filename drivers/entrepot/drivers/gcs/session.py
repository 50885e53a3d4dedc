"""One resumable upload at the backend, which takes a large object chunk by chunk."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace

from entrepot.core import NotFoundError, StorageError, UnavailableError
from entrepot.drivers.gcs.errors import GoneError, TransientError
from entrepot.drivers.gcs.names import encoded
from entrepot.drivers.gcs.patience import persistently
from entrepot.drivers.gcs.pieces import Piece
from entrepot.drivers.gcs.wire import Answer, Request, Wire

_MORE = 308  # the session waits for more
_HELD = re.compile(r"bytes=0-(\d+)")
_CANCELLING = 5.0  # seconds that the end of a failed upload may take


class Session:
    """Sends pieces in order. After a failure it asks what arrived, and sends the rest."""

    def __init__(self, wire: Wire, key: str, location: str) -> None:
        self.size = 0  # bytes of the pieces that were sent
        self.crc32c = 0  # of the same
        self._wire = wire
        self._key = key
        self._held = 0  # bytes that the backend has
        self._request = Request(
            "PUT",
            location,
            accepted=frozenset({200, 201, _MORE}),
            seconds=wire.patience.transfer,
        )

    async def send(self, piece: Piece) -> Answer:
        """Have a piece stored; the answer to the last one describes the object."""
        crc32c = piece.crc32c(self.crc32c)

        async def attempt(turn: int) -> Answer:
            answer = await self._ask() if turn else None
            if answer is not None and (answer.status != _MORE or self._has(piece)):
                return answer
            return await self._send_rest(piece, crc32c)

        answer = await persistently(self._wire.patience, attempt)
        if answer.status != _MORE and not piece.is_last:
            raise UnavailableError(self._key, "the backend ended the upload early")
        self.size += piece.size
        self.crc32c = crc32c
        return answer

    async def cancel(self) -> None:
        """Have the backend forget what it holds. If it cannot be told, it does so in a week."""
        with suppress(StorageError):
            await self._wire.once(
                self._key,
                replace(
                    self._request,
                    method="DELETE",
                    accepted=frozenset({200, 204, 404, 410, 499}),
                    seconds=_CANCELLING,
                ),
            )

    def _has(self, piece: Piece) -> bool:
        """Whether nothing of this piece is to be sent, and it does not end the upload."""
        return self._held == self.size + piece.size and not piece.is_last

    async def _send_rest(self, piece: Piece, crc32c: int) -> Answer:
        end = self.size + piece.size
        total = str(end) if piece.is_last else "*"
        extent = f"{self._held}-{end - 1}" if self._held < end else "*"
        headers = {"Content-Range": f"bytes {extent}/{total}"}
        if piece.is_last:
            headers["X-Goog-Hash"] = f"crc32c={encoded(crc32c)}"
        body = piece.past(self._held - self.size)
        answer = await self._put(headers, body)
        if answer.status == _MORE and (piece.is_last or self._held < end):
            raise TransientError(self._key, "the backend took only a part of what was sent")
        return answer

    async def _ask(self) -> Answer:
        return await self._put({"Content-Range": "bytes */*"}, ())

    async def _put(self, headers: dict[str, str], body: tuple[bytes, ...]) -> Answer:
        try:
            answer = await self._wire.once(
                self._key, replace(self._request, headers=headers, body=body)
            )
        except (NotFoundError, GoneError) as error:
            raise UnavailableError(self._key, "the backend has lost the upload") from error
        if answer.status == _MORE:
            self._note(answer)
        return answer

    def _note(self, answer: Answer) -> None:
        """What the backend has; it may be less than was sent, but not than it had before."""
        found = _HELD.fullmatch(answer.headers.get("Range", ""))
        held = int(found[1]) + 1 if found else 0
        if held < self.size:
            raise UnavailableError(self._key, "the backend has lost a part of the upload")
        self._held = held
