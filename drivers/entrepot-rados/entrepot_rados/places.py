"""The names of the objects in the pool."""

from __future__ import annotations

from zlib import crc32

LAYOUT = "layout"
"""Says how many shards there are, and of which index."""

_KEY = "key:"
_UPLOAD = "upload:"


def head(key: str) -> str:
    return f"{_KEY}{key}"


def key_of(name: str) -> str | None:
    """Of which key an object is the head."""
    return name.removeprefix(_KEY) if name.startswith(_KEY) else None


def chunk(generation: str, run: str, number: int) -> str:
    return f"chunk:{generation}:{run}:{number}"


def upload(token: str) -> str:
    return f"{_UPLOAD}{token}"


def token_of(name: str) -> str | None:
    """Of which upload an object is the state."""
    return name.removeprefix(_UPLOAD) if name.startswith(_UPLOAD) else None


def shard(kind: str, epoch: int, number: int) -> str:
    """An object of nothing but an omap; `kind` is `index` or `generations`."""
    return f"{kind}:{epoch}:{number}"


def shard_of(text: str, count: int) -> int:
    return crc32(text.encode()) % count
