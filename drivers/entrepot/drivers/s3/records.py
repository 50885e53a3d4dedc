"""The records of one upload in the store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from entrepot.core import Entry, ExistsError, UnavailableError
from entrepot.core.concurrency import each
from entrepot.drivers.s3.body import Body
from entrepot.drivers.s3.deleting import delete
from entrepot.drivers.s3.errors import Refused, translating
from entrepot.drivers.s3.state import BEGINNING, Record, Tail, name, number_of, read_record
from entrepot.drivers.s3.verbs import Verbs
from entrepot.drivers.s3.writing import Writer

_HEAD = 64 * 1024  # bytes that are read of a record at first
_LONGEST = 4 * 1024 * 1024  # bytes of a record's first line
_STAGED = "object"


class Records:
    def __init__(self, verbs: Verbs, writer: Writer, token: str) -> None:
        self._verbs = verbs
        self._writer = writer
        self._folder = f"{token}/data/"
        self.staged = f"{verbs.root}{self._folder}{_STAGED}"

    async def newest(self, least: int = -1) -> Record:
        """The upload as it is; one of number -1 if there is none.

        A listing may be behind, so the record after the one that it shows is asked for, too.
        `least` is the number of a record that is known to exist.
        """
        prefix = self._verbs.root + self._folder
        with translating(self._folder):
            page = await self._verbs.page(prefix + BEGINNING, most=1)
        number = least
        for item in page.items:
            assert isinstance(item, Entry)
            number = max(number, number_of(item.key.removeprefix(prefix)))
        wanted = [number, number + 1] if number >= 0 else [0]
        *before, further = await each(self._read, wanted)
        found = before[0] if before else None
        while further is not None:
            found = further
            further = await self._read(found.number + 1)
        return found or Record(-1)

    async def create(self, record: Record, inline: Sequence[bytes] = ()) -> Record | None:
        """Make a record the newest one; None if its number is taken."""
        size = sum(map(len, inline))
        line = record.line(size)
        key = self._folder + name(record.number)
        try:
            await self._writer.put(key, Body([line, *inline]), create=True)
        except ExistsError:
            return None
        return record.with_tail(len(line), size)

    async def tail(self, tail: Tail) -> bytes:
        """The bytes of an upload that a record holds. Raises NotFoundError: if it is gone."""
        key = self._folder + name(tail.number)
        with translating(key):
            content = await self._verbs.get_small(
                self._verbs.root + key, tail.start, tail.start + tail.size
            )
        if len(content) != tail.size:
            raise UnavailableError(key, f"got {len(content)} of {tail.size} bytes")
        return content

    async def remove(self, newest: Record) -> None:
        """Remove all of an upload, the newest record last: until then it says what there is."""
        if newest.stray:
            await self._abort_strays()
        root = self._verbs.root + self._folder
        older = [root + name(number) for number in range(newest.number)]
        staged = [self.staged] if newest.upload else []
        for keys in (staged + older, [root + name(newest.number)]):
            failures = await delete(self._verbs, keys)
            for key, refused in failures.items():
                raise refused.error(key.removeprefix(self._verbs.root))

    async def abort(self) -> None:
        """Forget the upload, with what a crash kept out of its records."""
        newest = await self.newest()
        if newest.upload:
            with translating(self._folder):
                await self._verbs.abort(self.staged, newest.upload)
        await self._abort_strays()
        if newest.number >= 0:
            await self.remove(newest)

    async def _abort_strays(self) -> None:
        """Abort multipart uploads that no record names, as far as the server lists them."""
        with suppress(Refused):  # not all servers list them, nor all policies permit it
            for key, upload in await self._verbs.uploads(self._verbs.root + self._folder):
                await self._verbs.abort(key, upload)

    async def _read(self, number: int) -> Record | None:
        key = self._folder + name(number)
        try:
            head = await self._verbs.get_small(self._verbs.root + key, 0, _HEAD)
            if b"\n" not in head:
                head = await self._verbs.get_small(self._verbs.root + key, 0, _LONGEST)
        except Refused as refused:
            if refused.code == "NoSuchKey":
                return None  # removed meanwhile
            raise refused.error(key) from refused
        return read_record(key, number, head.partition(b"\n")[0])
