"""Keys in their byte order, folder by folder. All calls block."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from entrepot.core import Entry, Prefix
from entrepot.drivers.filesystem.files import check_root, is_temporary

_matches = re.compile(r"[A-Za-z0-9._-]+", re.ASCII).fullmatch
_GONE = (FileNotFoundError, NotADirectoryError)


@dataclass(frozen=True, slots=True)
class Walk:
    """Walks a root folder. Memory holds the names of one folder for each level.

    A folder's place among its siblings is that of its name with the slash, because that is
    how the keys below it go on: `a-b`, then `a/c`, then `a0`.
    """

    root: str
    after: str = ""
    delimiter: str = ""
    wanted: Callable[[str], bool | str] | None = None  # as `Driver.sift` has it

    def items(self, prefix: str) -> Iterator[Entry | Prefix | None]:
        """What `Driver.scan` gives for a prefix; None for a folder of which nothing is wanted.

        So whoever takes a number of items at a time waits for a number of names at most.
        """
        folder, slash, beginning = prefix.rpartition("/")
        if self._may_hold_more(prefix):
            yield from self._below(folder + slash, beginning)

    def _may_hold_more(self, prefix: str) -> bool:
        """Whether a key that begins with `prefix` can be past `after`."""
        return prefix >= self.after or self.after.startswith(prefix)

    def _below(self, base: str, beginning: str = "") -> Iterator[Entry | Prefix | None]:
        for name in self._names(base, beginning):
            key = base + name
            if name[-1] != "/":
                entry = self._entry(key)
                if entry is not None:
                    yield entry
            elif self.delimiter:
                if self._holds(key):
                    yield Prefix(key)
            else:
                yield from self._wanted(key)

    def _wanted(self, folder: str) -> Iterator[Entry | Prefix | None]:
        answer = self.wanted is None or self.wanted(folder)
        if isinstance(answer, str):
            yield self._entry(folder + answer)
        elif answer:
            yield from self._below(folder)
        else:
            yield None

    def _names(self, base: str, beginning: str) -> list[str]:
        """The names in a folder, those of folders with their slash, in the order of the keys."""
        found: list[str] = []
        after = self.after
        try:
            with os.scandir(f"{self.root}/{base}") as entries:
                for entry in entries:
                    name = entry.name
                    if (beginning and not name.startswith(beginning)) or not _is_shown(name):
                        continue
                    if entry.is_dir():
                        name += "/"
                        if after and not self._may_hold_more(base + name):
                            continue
                    elif after and base + name <= after:
                        continue
                    found.append(name)
        except _GONE:
            check_root(self.root)
            return []
        found.sort()
        return found

    def _holds(self, base: str) -> bool:
        """Whether there is an object past `after` below a folder."""
        if not self.after.startswith(base):
            return _holds_any(f"{self.root}/{base}")
        deep = Walk(self.root, self.after)
        return next(deep._below(base), None) is not None

    def _entry(self, key: str) -> Entry | None:
        try:
            status = os.stat(f"{self.root}/{key}")
        except _GONE:
            check_root(self.root)
            return None  # deleted since the folder was read
        if not stat.S_ISREG(status.st_mode):
            return None
        return Entry(key, status.st_size, status.st_mtime)


def _is_shown(name: str) -> bool:
    return _matches(name) is not None and (name[-4:] != ".tmp" or not is_temporary(name))


def _holds_any(folder: str) -> bool:
    """Whether there is an object below a folder: the first one found, in no order."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not _is_shown(entry.name):
                    continue
                if entry.is_dir():
                    if _holds_any(entry.path):
                        return True
                elif entry.is_file():
                    return True
    except _GONE:
        return False
    return False
