"""Objects past every 32-bit number and the largest single request; run when asked for."""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import pairwise

import pytest

from entrepot.core.driver import Driver
from entrepot.core.testing.bounds import Bounds
from entrepot.core.testing.material import MIB, TOKEN, content, get

ASKED = "ENTREPOT_KIT_SLOW"
_GROWTH = 300 * MIB  # of this process's memory, whatever the object's size


class Huge(Bounds):
    async def test_write_of_a_huge_object(self, driver: Driver) -> None:
        """Minutes long. Neither side may hold the object, and every byte comes back."""
        _run_when_asked()
        made = _Made(self.huge)

        entry = await driver.write("a", made.chunks(0, self.huge))

        assert entry.size == (await driver.stat("a")).size == self.huge
        await made.check(driver, "a")

    async def test_upload_of_a_huge_object(self, driver: Driver) -> None:
        _run_when_asked()
        made = _Made(self.huge)
        upload = driver.upload(TOKEN)

        cuts = [0, 7, self.huge // 3, self.huge * 9 // 10, self.huge]
        for start, stop in pairwise(cuts):
            assert await upload.append(made.chunks(start, stop), start) == stop
        await upload.commit("b", self.huge)

        assert (await driver.stat("b")).size == self.huge
        await made.check(driver, "b")


class _Made:
    """An object of which each MiB begins with its number, hashed while it is made."""

    def __init__(self, size: int) -> None:
        gc.collect()
        self._before = _memory()
        self._size = size
        self._hash = hashlib.sha256()
        self._rest = content(MIB, seed=6)[8:]

    async def chunks(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        while start < stop:
            number, at = divmod(start, MIB)
            chunk = self._block(number)[at : at + stop - start]
            self._hash.update(chunk)
            yield chunk
            self._check_memory()
            start += len(chunk)

    async def check(self, driver: Driver, key: str) -> None:
        """Read all of it, and again some bytes from its end and past 4 GiB."""
        read, size = hashlib.sha256(), 0
        async with aclosing(driver.read(key)) as chunks:
            async for chunk in chunks:
                read.update(chunk)
                size += len(chunk)
                self._check_memory()
        assert (size, read.hexdigest()) == (self._size, self._hash.hexdigest())
        for number in (self._size * 3 // 4 // MIB, self._size // MIB - 1):
            start = number * MIB
            assert await get(driver, key, start, start + 100) == self._block(number)[:100]
        assert len(await get(driver, key, self._size - 3)) == 3

    def _block(self, number: int) -> bytes:
        return number.to_bytes(8, "big") + self._rest

    def _check_memory(self) -> None:
        grown = (_memory() - self._before) // MIB
        assert grown < _GROWTH // MIB, f"{grown} MiB more memory are used: parts pile up"


def _run_when_asked() -> None:
    if os.environ.get(ASKED, "") in {"", "0"}:
        pytest.skip(f"takes minutes and 6 GiB of the store: run with {ASKED}=1")


def _memory() -> int:
    """Bytes of this process that are in memory; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
