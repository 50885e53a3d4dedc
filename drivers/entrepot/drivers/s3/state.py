"""What an upload consists of, in records: `<token>/data/<number>`, each created exclusively.

The newest record says all; its number counts down, so that it is the first of a listing of
one key. Exclusive creation of the next number is what orders appends: it needs no more than
`If-None-Match: *` on a small PUT, which all servers have that have any condition, where
`If-Match` on PUT is missing or differs (RGW 16 takes an ETag without quotes only). Records
are never replaced and go with the upload, so a number is never free again.

A record is one line of JSON, then the bytes that the upload got with it and that are too few
for a part.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from entrepot.core import UnavailableError
from entrepot.drivers.s3.answers import Part

_FIRST = 9_999_999_999  # so there may be a thousand million records
BEGINNING = "9"  # of the names of all records


@dataclass(frozen=True, slots=True)
class Tail:
    """Bytes of an upload that lie in a record."""

    number: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Record:
    """An upload at one moment. Its bytes are those of its parts, then those of its tails."""

    number: int
    size: int = 0
    mark: str = ""  # what the object is known by, when an answer was lost
    upload: str = ""  # the multipart upload's id; empty while there is none
    stray: bool = False  # whether there may be another one that nobody knows the id of
    parts: tuple[Part, ...] = ()
    free: int = 1  # the first part number that nobody can be using
    tails: tuple[Tail, ...] = ()
    last: Part | None = None  # all tails once more, as a part that must be the last one
    target: str = ""  # what it is being committed to

    def next_number(self, *, exact: bool) -> int:
        """The number of the next part: of none that anybody may be sending still.

        If the server must be sent `exact` parts, that of a part which nobody recorded: who sends
        it still makes the upload fail in the end, by its ETag, while a part that stays beside
        the others would always.
        """
        if exact:
            return self.parts[-1].number + 1 if self.parts else 1
        return self.free

    def line(self, inline: int) -> bytes:
        """As it is stored, before `inline` bytes, which become the last of the tails."""
        fields: dict[str, Any] = {
            "size": self.size,
            "mark": self.mark,
            "upload": self.upload,
            "stray": self.stray,
            "parts": [[part.number, part.etag, part.size] for part in self.parts],
            "free": self.free,
            "tails": [[tail.number, tail.start, tail.size] for tail in self.tails],
            "inline": inline,
            "last": [self.last.number, self.last.etag, self.last.size] if self.last else None,
            "target": self.target,
        }
        return json.dumps(fields, separators=(",", ":")).encode() + b"\n"

    def with_tail(self, start: int, size: int) -> Record:
        """The record as it is read from a line of `start` bytes with `size` behind it."""
        return replace(self, tails=(*self.tails, Tail(self.number, start, size))) if size else self


def name(number: int) -> str:
    return f"{_FIRST - number:010d}"


def number_of(name: str) -> int:
    return _FIRST - int(name)


def read_record(key: str, number: int, line: bytes) -> Record:
    """Raises UnavailableError: if it is none that this driver wrote."""
    try:
        fields = json.loads(line)
        record = Record(
            number,
            fields["size"],
            fields["mark"],
            fields["upload"],
            fields["stray"],
            tuple(Part(*part) for part in fields["parts"]),
            fields["free"],
            tuple(Tail(*tail) for tail in fields["tails"]),
            Part(*fields["last"]) if fields["last"] else None,
            fields["target"],
        )
        return record.with_tail(len(line) + 1, fields["inline"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnavailableError(key, "the upload's record cannot be read") from error
