"""Letters on disk until they are delivered: bounded, in order, shared by processes of one host.

Everything here blocks; each call is one transaction.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from entrepot.server.notifications.letters import DeadLetter, Letter
from entrepot.server.notifications.schema import open_database

_FIELDS = "endpoint, id, action, subject, moment, content_type, body"
_FULL = "the outbox was full"
_STEP = 500  # letters that make room at once
_BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """Most letters and most bytes of them that wait for one endpoint; as many may be dead."""

    letters: int = 100_000
    size: int = 256 * 1024 * 1024


@dataclass(slots=True)
class Room:
    """What was done to keep within bounds for one endpoint, and what is there now."""

    dropped: int = 0
    buried: int = 0
    pending: int = 0
    dead: int = 0


class Outbox:
    """The outbox in a folder, or `schema.MEMORY`, as a `database`. For one thread at a time.

    Any method raises sqlite3.Error: if the disk is full or broken; nothing is changed then.
    """

    def __init__(self, folder: str, bounds: Bounds | None = None) -> None:
        """Raises ConfigurationError: if there can be none."""
        self.database = open_database(folder)
        self._bounds = bounds or Bounds()
        self._is_durable = True

    def close(self) -> None:
        self.database.close()

    def add(self, letters: Sequence[Letter], *, durable: bool) -> dict[str, Room]:
        """Keep letters, and drop older ones of an endpoint that has too many.

        They survive the end of this process; with `durable`, that of the machine as well.
        Gives what became of each endpoint they are for.
        """
        with self._transaction(durable=durable):
            self.database.executemany(
                f"INSERT INTO waiting ({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                [
                    (
                        one.endpoint,
                        one.id,
                        one.action,
                        one.subject,
                        one.moment,
                        one.content_type,
                        one.body,
                    )
                    for one in letters
                ],
            )
            return {
                endpoint: self._make_room(endpoint) for endpoint in {o.endpoint for o in letters}
            }

    def first(self, endpoint: str, most: int) -> list[Letter]:
        """The oldest letters of an endpoint: `most` of them, or fewer if they are large."""
        found: list[Letter] = []
        size = 0
        rows = self.database.execute(
            f"SELECT {_FIELDS}, number, refusals FROM waiting WHERE endpoint = ? "  # noqa: S608
            "ORDER BY number LIMIT ?",
            (endpoint, most),
        )
        with closing(rows):
            for row in rows:
                found.append(Letter(*row))
                size += len(found[-1].body)
                if size >= _BATCH_BYTES:
                    break
        return found

    def settle(
        self, endpoint: str, gone: Sequence[int], refused: Sequence[tuple[int, int]] = ()
    ) -> Room:
        """Forget letters that were delivered; note how often others were refused."""
        with self._transaction():
            self.database.executemany(
                "DELETE FROM waiting WHERE number = ?", [(number,) for number in gone]
            )
            self.database.executemany(
                "UPDATE waiting SET refusals = ? WHERE number = ?",
                [(refusals, number) for number, refusals in refused],
            )
            return self._room(endpoint)

    def bury(self, letter: Letter, until: float | None, reason: str) -> Room:
        """Make dead letters of one that waits, and of those for the same endpoint that are
        from `until` or earlier.
        """
        where = "number = ?"
        values: tuple[object, ...] = (letter.number,)
        if until is not None:
            where = f"{where} OR endpoint = ? AND moment <= ?"
            values = (*values, letter.endpoint, until)
        with self._transaction(durable=True):
            buried = self._bury(where, values, reason)
            room = self._make_room(letter.endpoint)
        room.buried += buried
        return room

    def room(self, endpoint: str) -> Room:
        return self._room(endpoint)

    def endpoints(self) -> list[str]:
        """Those that letters wait for, or died for."""
        rows = self.database.execute(
            "SELECT endpoint FROM waiting_totals WHERE letters > 0 "
            "UNION SELECT endpoint FROM dead_totals WHERE letters > 0 ORDER BY endpoint"
        )
        return [row[0] for row in rows]

    def dead(self, endpoint: str | None = None) -> Generator[DeadLetter, None, None]:
        """Dead letters, the oldest first."""
        rows = self.database.execute(
            "SELECT number, endpoint, id, action, subject, moment, reason, length(body) FROM dead "
            "WHERE ? IS NULL OR endpoint = ? ORDER BY number",
            (endpoint, endpoint),
        )
        for row in rows:
            yield DeadLetter(*row)

    def replay(self, endpoint: str | None, numbers: Iterable[int] | None) -> int:
        """Let dead letters wait again, behind all others; gives how many."""
        with self._transaction(durable=True):
            replayed = 0
            for where, values in _chosen(endpoint, numbers):
                self.database.execute(
                    f"INSERT INTO waiting ({_FIELDS}) SELECT {_FIELDS} FROM dead "  # noqa: S608
                    f"WHERE {where} ORDER BY number",
                    values,
                )
                done = self.database.execute(f"DELETE FROM dead WHERE {where}", values)  # noqa: S608
                replayed += done.rowcount
            return replayed

    def drop(self, endpoint: str | None, numbers: Iterable[int] | None) -> int:
        """Delete dead letters; gives how many."""
        with self._transaction(durable=True):
            return sum(
                self.database.execute(f"DELETE FROM dead WHERE {where}", values).rowcount  # noqa: S608
                for where, values in _chosen(endpoint, numbers)
            )

    def drop_waiting(self, endpoint: str | None) -> int:
        """Delete letters that wait; gives how many."""
        with self._transaction(durable=True):
            return self.database.execute(
                "DELETE FROM waiting WHERE ? IS NULL OR endpoint = ?", (endpoint, endpoint)
            ).rowcount

    # -- within a transaction ----------------------------------------------------------------

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Generator[None, None, None]:
        if durable != self._is_durable:
            level = "FULL" if durable else "NORMAL"
            self.database.execute(f"PRAGMA synchronous = {level}")
            self._is_durable = durable
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.database.execute("COMMIT")
        except BaseException:
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
            raise

    def _make_room(self, endpoint: str) -> Room:
        dropped = buried = 0
        while excess := self._excess("waiting", endpoint):
            pulls = (
                "number IN (SELECT number FROM waiting WHERE endpoint = ? AND action = 'pull' "
                "ORDER BY number LIMIT ?)"
            )
            gone = self.database.execute(
                f"DELETE FROM waiting WHERE {pulls}",  # noqa: S608
                (endpoint, excess),
            ).rowcount
            if gone == 0:
                oldest = (
                    "number IN (SELECT number FROM waiting WHERE endpoint = ? "
                    "ORDER BY number LIMIT ?)"
                )
                buried += self._bury(oldest, (endpoint, excess), _FULL)
            dropped += gone
        while excess := self._excess("dead", endpoint):
            dropped += self.database.execute(
                "DELETE FROM dead WHERE number IN "
                "(SELECT number FROM dead WHERE endpoint = ? ORDER BY number LIMIT ?)",
                (endpoint, excess),
            ).rowcount
        room = self._room(endpoint)
        room.dropped, room.buried = dropped, buried
        return room

    def _excess(self, table: str, endpoint: str) -> int:
        """How many letters have to go, at least for now."""
        letters, size = self._totals(table, endpoint)
        if letters > self._bounds.letters:
            return letters - self._bounds.letters
        return min(_STEP, max(1, letters // 100)) if size > self._bounds.size else 0

    def _bury(self, where: str, values: tuple[object, ...], reason: str) -> int:
        self.database.execute(
            f"INSERT INTO dead ({_FIELDS}, refusals, reason) "  # noqa: S608
            f"SELECT {_FIELDS}, refusals, ? FROM waiting WHERE {where} ORDER BY number",
            (reason, *values),
        )
        return self.database.execute(f"DELETE FROM waiting WHERE {where}", values).rowcount  # noqa: S608

    def _room(self, endpoint: str) -> Room:
        pending, _ = self._totals("waiting", endpoint)
        dead, _ = self._totals("dead", endpoint)
        return Room(pending=pending, dead=dead)

    def _totals(self, table: str, endpoint: str) -> tuple[int, int]:
        row = self.database.execute(
            f"SELECT letters, bytes FROM {table}_totals WHERE endpoint = ?",  # noqa: S608
            (endpoint,),
        ).fetchone()
        return row or (0, 0)


def _chosen(
    endpoint: str | None, numbers: Iterable[int] | None
) -> Generator[tuple[str, tuple[object, ...]], None, None]:
    """Conditions for those of an endpoint, or of all; of them those with these numbers, or all."""
    if numbers is None:
        yield "? IS NULL OR endpoint = ?", (endpoint, endpoint)
        return
    for number in numbers:
        yield "(? IS NULL OR endpoint = ?) AND number = ?", (endpoint, endpoint, number)
