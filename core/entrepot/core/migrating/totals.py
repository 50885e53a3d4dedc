"""What a migration has done so far, and who is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from entrepot.core.errors import RegistryError

_MOST_IN_A_ROW = 100  # failures with no success between them: then the store itself has failed


class GivenUpError(RegistryError):
    """Nothing can be copied any more."""

    def __init__(self) -> None:
        super().__init__(f"given up: {_MOST_IN_A_ROW} objects in a row could not be copied")


@dataclass(slots=True)
class Totals:
    """Counts of objects, and `bytes` that were copied; with `dry_run`, what would be.

    `skipped` were there already. `left_out` point to what the source does not have, so that
    nobody could read them there either. `failed` could not be copied.
    """

    copied: int = 0
    bytes: int = 0
    skipped: int = 0
    deleted: int = 0
    left_out: int = 0
    failed: int = 0


class Watcher(Protocol):
    """Hears how a migration gets on; calls are frequent and must be quick."""

    def passed(self, size: int) -> None:
        """So many bytes were read."""

    def failed(self, key: str, reason: str) -> None:
        """An object could not be copied; the others go on."""

    def left_out(self, key: str, reason: str) -> None:
        """A manifest or tag points to what the source does not have."""


class Record:
    """Keeps the totals and tells the watcher."""

    def __init__(self, watcher: Watcher) -> None:
        self.totals = Totals()
        self._watcher = watcher
        self._in_a_row = 0

    def copied(self, size: int) -> None:
        self.totals.copied += 1
        self.totals.bytes += size
        self._in_a_row = 0

    def skipped(self) -> None:
        self.totals.skipped += 1

    def deleted(self) -> None:
        self.totals.deleted += 1
        self._in_a_row = 0

    def left_out(self, key: str, reason: str = "") -> None:
        """Without a reason nobody is told: blobs' links outlive their blobs by design."""
        self.totals.left_out += 1
        if reason:
            self._watcher.left_out(key, reason)

    def failed(self, key: str, error: RegistryError) -> None:
        """Raises GivenUpError: if nothing succeeds any more."""
        self.totals.failed += 1
        self._in_a_row += 1
        self._watcher.failed(key, str(error))
        if self._in_a_row >= _MOST_IN_A_ROW:
            raise GivenUpError from error
