"""fsspec's memory filesystem, which has no rename and one store for the whole process."""

from __future__ import annotations

from entrepot.core.fsspec_driver import FsspecDriver


class MemoryDriver(FsspecDriver):
    """Objects change their name by an entry of the dictionary; readers get their own copies."""

    async def _replace(self, source: str, target: str) -> None:
        store = self.calls.filesystem.store
        store[self.calls.path(target)] = store.pop(self.calls.path(source))
