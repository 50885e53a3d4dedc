"""Keys in their byte order, folder by folder. All calls block."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from entrepot.core import Entry, Prefix
from entrepot.drivers.filesystem.files import is_temporary

_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Walk:
    """Walks a root folder. Memory holds the names of one folder for each level."""

    root: str
    after: str
    delimiter: str

    def items(self, prefix: str) -> Iterator[Entry | Prefix]:
        """What `Driver.scan` gives for a prefix."""
        folder, slash, beginning = prefix.rpartition("/")
        yield from self._below(folder + slash, beginning)

    def _below(self, base: str, beginning: str) -> Iterator[Entry | Prefix]:
        for name, is_folder in self._names(base, beginning):
            if not is_folder:
                entry = self._entry(base + name)
                if entry is not None:
                    yield entry
            elif not self.delimiter:
                yield from self._below(base + name, "")
            elif self._holds(base + name):
                yield Prefix(base + name)

    def _names(self, base: str, beginning: str) -> list[tuple[str, bool]]:
        """Names in a folder, those of folders with their slash, in the order of their keys."""
        found: list[tuple[str, bool]] = []
        try:
            with os.scandir(os.path.join(self.root, base)) as entries:
                for entry in entries:
                    name = entry.name
                    if not name.startswith(beginning) or not _NAME.fullmatch(name):
                        continue
                    is_folder = entry.is_dir()
                    if is_folder:
                        name += "/"
                    elif is_temporary(name):
                        continue
                    if self._is_past(base + name, is_folder=is_folder):
                        found.append((name, is_folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(found)

    def _is_past(self, key: str, *, is_folder: bool) -> bool:
        return key > self.after or (is_folder and self.after.startswith(key))

    def _holds(self, base: str) -> bool:
        deep = Walk(self.root, self.after, "")
        return next(deep._below(base, ""), None) is not None

    def _entry(self, key: str) -> Entry | None:
        try:
            status = os.stat(os.path.join(self.root, key))
        except (FileNotFoundError, NotADirectoryError):
            return None  # deleted since the folder was read
        return Entry(key, status.st_size, status.st_mtime)
