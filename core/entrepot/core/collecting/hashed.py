"""Many keys in little memory: 8 bytes of a hash for each, and what belongs to it."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import AsyncGenerator, Iterable
from hashlib import blake2b

_HASH, _VALUE = 8, 4  # bytes
_PIECE = 1024 * 1024


class HashedKeys:
    """Keys with a number of 32 bits each. Another key is taken for one of them with a chance
    of their number to 2**64; the salt keeps anybody from making such keys.
    """

    def __init__(self, salt: str, hashes: array[int], values: array[int]) -> None:
        self._salt = salt.encode()
        self._hashes = hashes
        self._values = values

    @classmethod
    def of(cls, salt: str, keys: Iterable[tuple[str, int]]) -> HashedKeys:
        own = salt.encode()
        packed = sorted(_hash(own, key) << 32 | value for key, value in keys)
        hashes = array("Q", (one >> 32 for one in packed))
        return cls(salt, hashes, array("I", (one & 0xFFFFFFFF for one in packed)))

    @classmethod
    def load(cls, salt: str, content: bytes) -> HashedKeys:
        """Raises ValueError: if `content` is not what `dump` gave."""
        count, rest = divmod(len(content), _HASH + _VALUE)
        if rest:
            raise ValueError(f"{len(content)} bytes are no list of keys")
        hashes, values = array("Q"), array("I")
        hashes.frombytes(content[: count * _HASH])
        values.frombytes(content[count * _HASH :])
        if sys.byteorder == "big":
            hashes.byteswap()
            values.byteswap()
        return cls(salt, hashes, values)

    async def dump(self) -> AsyncGenerator[bytes, None]:
        for column in (self._hashes, self._values):
            copied = column[:]
            if sys.byteorder == "big":
                copied.byteswap()
            content = copied.tobytes()
            for at in range(0, len(content), _PIECE):
                yield content[at : at + _PIECE]

    def find(self, key: str) -> int | None:
        """The key's number."""
        wanted = _hash(self._salt, key)
        at = bisect_left(self._hashes, wanted)
        found = at < len(self._hashes) and self._hashes[at] == wanted
        return self._values[at] if found else None

    def __contains__(self, key: str) -> bool:
        return self.find(key) is not None

    def __len__(self) -> int:
        return len(self._hashes)


def _hash(salt: bytes, key: str) -> int:
    digest = blake2b(key.encode(), digest_size=_HASH, key=salt[:64]).digest()
    return int.from_bytes(digest, "little")
