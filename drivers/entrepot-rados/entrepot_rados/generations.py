"""Chunks and whose they are, so that those of nobody are found.

All chunks of one write or upload are a generation. Its record is made before the first of them
and removed behind the last one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from entrepot_rados.head import Run, runs_of, written
from entrepot_rados.objects import Change, Objects
from entrepot_rados.places import chunk, shard, shard_of

WIDTH = 4  # chunks of one transfer that are on their way at a time
_SHARDS = 16
_KIND = "generations"


@dataclass(frozen=True, slots=True)
class Record:
    """Of a generation. `runs` without a size are still being written."""

    generation: str
    key: str  # whose head names it
    token: str  # or whose upload does
    since: float
    runs: list[Run]


class Generations:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def record(
        self, generation: str, runs: Sequence[Run], *, key: str = "", token: str = ""
    ) -> None:
        said = {"key": key, "token": token, "since": time.time(), "runs": written(runs)}
        put = Change(puts={generation: json.dumps(said)})
        self._objects.change(_shard(generation), put)

    def find(self, generation: str) -> Record | None:
        try:
            found = self._objects.values(_shard(generation), [generation])
        except FileNotFoundError:
            return None
        return _record(generation, found[generation]) if generation in found else None

    def page(self, number: int, after: str) -> list[Record]:
        try:
            found = self._objects.page(shard(_KIND, 0, number), after, "", 500)
        except FileNotFoundError:  # nothing large was ever written
            return []
        return [_record(generation, value) for generation, value in found]

    @property
    def shards(self) -> range:
        return range(_SHARDS)

    def discard(self, generation: str, runs: Sequence[Run]) -> int:
        """Remove chunks, those that nobody knows of behind a run as well, then the record.

        From the last one on, so that who is interrupted leaves no gap behind which others are.
        Gives their number.
        """
        removed = sum(self.trim(generation, run, 0) for run in reversed(runs))
        with suppress(FileNotFoundError):  # no record at all was made there
            self._objects.change(_shard(generation), Change(drops=[generation]))
        return removed

    def trim(self, generation: str, run: Run, kept: int) -> int:
        """Remove the chunks of a run behind the first ones; gives their number."""
        numbers = reversed(range(kept, self._end(generation, run)))
        names = [chunk(generation, run.name, number) for number in numbers]
        return sum(self._objects.discard(name) for name in names)

    def discard_recorded(self, generation: str) -> None:
        """The same by the record; nothing if there is none."""
        record = self.find(generation)
        if record is not None:
            self.discard(generation, record.runs)

    def _end(self, generation: str, run: Run) -> int:
        """Behind the last chunk of a run, which was written at most so far beyond a gap."""
        end = at = run.count
        while at < end + WIDTH:
            if self._is_there(generation, run.name, at):
                end = at + 1
            at += 1
        return end

    def _is_there(self, generation: str, run: str, number: int) -> bool:
        try:
            self._objects.size(chunk(generation, run, number))
        except FileNotFoundError:
            return False
        return True


def _shard(generation: str) -> str:
    return shard(_KIND, 0, shard_of(generation, _SHARDS))


def _record(generation: str, value: str) -> Record:
    said = json.loads(value)
    runs = runs_of(said["runs"])
    return Record(generation, said["key"], said["token"], said["since"], runs)
