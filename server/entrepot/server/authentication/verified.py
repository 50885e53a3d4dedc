"""What was verified a moment ago, so that it need not be verified again with each request."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Generic, TypeVar

ResultT = TypeVar("ResultT")


class Verified(Generic[ResultT]):
    """Results by credentials, at most `most` of them; credentials themselves are not kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._keyed = sha256(secrets.token_bytes(64))  # a whole block, hashed once
        self._kept: dict[bytes, tuple[float, ResultT]] = {}

    def key(self, credentials: bytes) -> bytes:
        """A name for credentials from which nobody outside this process can find them.

        It is shown to nobody, so the secret before them is enough, at a third of HMAC's cost.
        Hashed ahead and copied, it spares each request a new start and a copy of the header.
        """
        hashing = self._keyed.copy()
        hashing.update(credentials)
        return hashing.digest()

    def get(self, key: bytes, now: float) -> ResultT | None:
        """The result that is kept and holds at `now`."""
        found = self._kept.get(key)
        if found is None:
            return None
        until, result = found
        if now <= until:
            return result
        del self._kept[key]
        return None

    def put(self, key: bytes, result: ResultT, until: float) -> None:
        """Keep a result until that time; the oldest one goes where there is no room."""
        self._kept.pop(key, None)
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = until, result

    def clear(self) -> None:
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)
