"""What a process did beside serving, as plain numbers since its start."""

from __future__ import annotations

from collections import Counter

from entrepot.core.collecting.collection import Collected
from entrepot.core.collecting.runs import KINDS, Kind
from entrepot.core.collecting.sweeping import Swept
from entrepot.core.purging import Purged
from entrepot.core.retention import Retained


class Maintained:
    """Dry runs do nothing, and are not in it. `freed` is in bytes."""

    def __init__(self) -> None:
        self.uploads = Counter(removed=0, failed=0)
        self.tags = Counter(removed=0, failed=0)
        self.collections = Counter(ended=0, left=0)
        self.garbage: dict[Kind, Counter[str]] = {
            kind: Counter(deleted=0, kept=0, failed=0) for kind in KINDS
        }
        self.freed = 0

    def purged(self, done: Purged) -> None:
        self.uploads.update(removed=done.removed, failed=done.failed)

    def retained(self, done: Retained) -> None:
        self.tags.update(removed=done.removed, failed=done.failed)

    def swept(self, swept: Swept) -> None:
        """Some of a collection's garbage; counted at once, because it may not come to its end."""
        for outcome in ("deleted", "kept", "failed"):
            for one in getattr(swept, outcome):
                self.garbage[one.kind][outcome] += 1
        self.freed += sum(one.size for one in swept.deleted)

    def collected(self, done: Collected) -> None:
        if done.run:
            self.collections["ended" if done.is_ended else "left"] += 1
