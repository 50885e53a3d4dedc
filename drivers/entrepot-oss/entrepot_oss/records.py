"""What an upload consists of, in records: `<token>/data/<number>`, each created exclusively.

The newest record counts; its number counts down, so that it is the first of a listing of one
name. Exclusive creation of the next number is what orders appends, and no record is ever
replaced. It says which part numbers of which multipart upload are accepted; OSS's own list of
parts says what they hold. A record is one line of JSON, then the bytes behind all parts, which
are too few for one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from entrepot.core import ExistsError, UnavailableError
from entrepot_oss.answers import Part
from entrepot_oss.deleting import delete
from entrepot_oss.errors import Refused, translating
from entrepot_oss.verbs import Verbs
from entrepot_oss.writing import put

_FIRST = 9_999_999_999  # so there may be a thousand million records, all beginning with a 9
_BEGINNING = "9"

Ranges = tuple[tuple[int, int], ...]  # first and last of numbers in a row


@dataclass(frozen=True, slots=True)
class Record:
    """An upload at one moment. Its bytes are those of its parts, then the tail."""

    number: int
    mark: str = ""  # what the object is known by, when an answer was lost
    upload: str = ""  # the multipart upload's id; empty while there is none
    kept: Ranges = ()  # part numbers that are accepted
    open: int = 0  # the first part number of an append under way; 0: there is none
    free: int = 1  # the first part number that nobody can be using
    tail: bytes = b""
    target: str = ""  # what it is being committed to
    size: int = 0  # bytes, once there is a target

    def with_kept(self, first: int, last: int) -> Record:
        """The same with further parts, up to `last`, accepted, and the append over."""
        ranges = [*self.kept, (first, last)] if first <= last else list(self.kept)
        merged = list[tuple[int, int]]()
        for start, end in ranges:
            if merged and merged[-1][1] + 1 == start:
                start = merged.pop()[0]  # noqa: PLW2901 - the range that both are
            merged.append((start, end))
        return replace(self, kept=tuple(merged), open=0)

    def accepted(self, parts: list[Part]) -> list[Part]:
        """Those of the server's parts that are the upload's."""
        return [
            part for part in parts if any(first <= part.number <= last for first, last in self.kept)
        ]

    def found(self, parts: list[Part]) -> list[Part]:
        """Those in a row that an append left which did not come to its end."""
        numbers = {part.number: part for part in parts}
        row = list[Part]()
        while self.open and (part := numbers.get(self.open + len(row))) and part.number < self.free:
            row.append(part)
        return row

    def content(self) -> bytes:
        fields: dict[str, Any] = {
            "mark": self.mark,
            "upload": self.upload,
            "kept": self.kept,
            "open": self.open,
            "free": self.free,
            "target": self.target,
            "size": self.size,
            "tail": len(self.tail),
        }
        return json.dumps(fields, separators=(",", ":")).encode() + b"\n" + self.tail


class Records:
    def __init__(self, verbs: Verbs, token: str) -> None:
        self._verbs = verbs
        self._folder = f"{token}/data/"
        self._place = f"{verbs.root}{token}/data"
        self.staged = f"{self._place}/object"

    async def newest(self) -> Record:
        """The newest record; one of number -1 if there is none."""
        with translating(self._folder):
            page = await self._verbs.page(f"{self._place}/{_BEGINNING}", most=1)
            if not page.items:
                return Record(-1)
            name = page.items[0].key
            number = _FIRST - int(name.rpartition("/")[2])
            try:
                content = await self._verbs.get_small(name)
            except Refused as refused:
                if refused.absent:
                    return Record(-1)  # the upload has ended meanwhile
                raise
        return _read(self._folder, number, content)

    async def create(self, record: Record) -> bool:
        """Make a record the newest one; False if its number is taken."""
        key = f"{self._folder}{_FIRST - record.number:010d}"
        try:
            await put(self._verbs, key, record.content(), create=True)
        except ExistsError:
            return False
        return True

    async def remove(self, newest: Record) -> None:
        """Remove all of an upload, the newest record last: until then it says what there is."""
        older = [f"{self._place}/{_FIRST - number:010d}" for number in range(newest.number)]
        last = f"{self._place}/{_FIRST - newest.number:010d}"
        for names in ([*older, self.staged], [last] if newest.number >= 0 else []):
            failures = await delete(self._verbs, names)
            for name, refused in failures.items():
                raise refused.error(name.removeprefix(self._verbs.root))

    async def abort_all(self) -> None:
        """Abort all multipart uploads here: those, too, that a crash kept out of the records,
        and those that Distribution began.
        """
        with translating(self._folder):
            for name, upload in await self._verbs.uploads(self._place):
                if name == self._place or name.startswith(f"{self._place}/"):
                    await self._verbs.abort(name, upload)


def _read(key: str, number: int, content: bytes) -> Record:
    """Raises UnavailableError: if it is none that this driver wrote."""
    line, _, tail = content.partition(b"\n")
    try:
        fields = json.loads(line)
        if fields.pop("tail") != len(tail):
            raise ValueError("cut off")
        kept: Ranges = tuple((first, last) for first, last in fields.pop("kept"))
        return Record(number, kept=kept, tail=tail, **fields)
    except (ValueError, KeyError, TypeError) as error:
        raise UnavailableError(key, "the upload's record cannot be read") from error
