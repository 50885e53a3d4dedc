"""Where a probe works, and the contents it works with."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import lru_cache

from entrepot.core.driver import Driver, Entry, Upload
from entrepot.core.probe.findings import promised

KIB = 1024
MIB = 1024 * KIB
SMALL = 64 * KIB + 1
LARGE = 12 * MIB + 5  # past the part size of the backends that write in parts
_PIECE = 256 * KIB


@dataclass
class Place:
    """A top-level folder of the store's own for one run, seen by two instances of its driver."""

    first: Driver
    second: Driver
    folder: str
    shared: bool = True  # whether the second instance sees what the first one wrote
    tokens: list[str] = field(default_factory=list[str])

    @property
    def both(self) -> tuple[Driver, ...]:
        """The instances that see one store."""
        return (self.first, self.second) if self.shared else (self.first,)

    @property
    def other(self) -> Driver:
        return self.second if self.shared else self.first

    def key(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def upload(self, driver: Driver, name: str) -> Upload:
        """An upload, which is aborted at the end of the run if nobody has ended it."""
        token = self.key(f"uploads/{name}")
        if token not in self.tokens:
            self.tokens.append(token)
        return driver.upload(token)


@lru_cache(maxsize=4)
def content(size: int, seed: int = 0) -> bytes:
    """Bytes of which every stretch tells where it belongs; equal for equal arguments."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - repeatable


async def pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]


async def put(driver: Driver, key: str, data: bytes, *, create: bool = False) -> Entry:
    return await driver.write(key, pieces(data), create=create)


async def put_all(driver: Driver, keys: Iterable[str]) -> None:
    for key in keys:
        await put(driver, key, b"x")


async def get(driver: Driver, key: str, start: int = 0, stop: int | None = None) -> bytes:
    async with aclosing(driver.read(key, start, stop)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def listed(driver: Driver, prefix: str, *, after: str = "", delimiter: str = "") -> list[str]:
    """The keys of a scan; that of a `Prefix` ends with the delimiter."""
    async with aclosing(driver.scan(prefix, after=after, delimiter=delimiter)) as items:
        keys = [item.key async for item in items]
    promised(len(set(keys)) == len(keys), "a listing gave a key twice")
    return keys


def differs(got: bytes, expected: bytes) -> str:
    """How two contents differ, in few words."""
    if len(got) != len(expected):
        return f"{len(got)} bytes instead of {len(expected)}"
    at = next(at for at, (one, two) in enumerate(zip(got, expected, strict=True)) if one != two)
    return f"other bytes from offset {at} of {len(got)}"


def same(got: bytes, expected: bytes, what: str) -> None:
    """Raises BrokenError: if they differ."""
    if got != expected:
        promised(False, f"{what} gave {differs(got, expected)}")
