"""How the manifests of one repository lead to each other."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence


class Graph:
    """Manifests by number, and the arrows between them.

    The first numbers are of manifests that have a link, in the order of their digests; others,
    which an index names, come behind. Takes about 100 bytes for each.
    """

    def __init__(self, linked: Sequence[bytes]) -> None:
        self._linked = linked
        self._others: dict[bytes, int] = {}
        self._indexes, self._children = array("I"), array("I")
        self._attached, self._subjects = array("I"), array("I")
        self._awaited: list[tuple[int, bytes]] = []  # attached to what has no number yet

    def __len__(self) -> int:
        return len(self._linked) + len(self._others)

    def number(self, digest: bytes) -> int | None:
        at = bisect_left(self._linked, digest)
        if at < len(self._linked) and self._linked[at] == digest:
            return at
        return self._others.get(digest)

    def add(self, digest: bytes) -> int:
        """A number for a manifest without a link."""
        return self._others.setdefault(digest, len(self))

    def contain(self, index: int, child: int) -> None:
        self._indexes.append(index)
        self._children.append(child)

    def attach(self, manifest: int, subject: bytes) -> None:
        """The subject may be missing; then this changes nothing."""
        number = self.number(subject)
        if number is None:
            self._awaited.append((manifest, subject))
        else:
            self._attached.append(manifest)
            self._subjects.append(number)

    def reached(self, roots: Iterable[int]) -> bytearray:
        """1 for every manifest that something leads to from the roots, each looked at once.

        An index leads to its children; a subject and what is attached to it to each other.
        """
        self._settle()
        starts, targets = self._arrows()
        found = bytearray(len(self))
        waiting = array("I", roots)
        while waiting:
            number = waiting.pop()
            if not found[number]:
                found[number] = 1
                waiting.extend(targets[starts[number] : starts[number + 1]])
        return found

    def tops(self, among: bytearray) -> list[int]:
        """Those of a choice that are no part of another one and attached to none."""
        self._settle()
        below = bytearray(len(self))
        for index, child in zip(self._indexes, self._children, strict=True):
            if among[index] and index != child:
                below[child] = 1
        for manifest, subject in zip(self._attached, self._subjects, strict=True):
            if manifest != subject:
                below[manifest] = 1
        return [number for number, chosen in enumerate(among) if chosen and not below[number]]

    def _settle(self) -> None:
        """Attach what was read before its subject got a number."""
        awaited, self._awaited = self._awaited, []
        for manifest, subject in awaited:
            if self.number(subject) is not None:
                self.attach(manifest, subject)

    def _arrows(self) -> tuple[array[int], array[int]]:
        """For each number where its targets begin, and all the targets."""
        pairs = (
            (self._indexes, self._children),
            (self._attached, self._subjects),
            (self._subjects, self._attached),
        )
        starts = array("I", [0]) * (len(self) + 2)
        for sources, _ in pairs:
            for source in sources:
                starts[source + 2] += 1
        for number in range(2, len(starts)):
            starts[number] += starts[number - 1]
        targets = array("I", [0]) * starts[-1]
        for sources, ends in pairs:
            for source, end in zip(sources, ends, strict=True):
                targets[starts[source + 1]] = end
                starts[source + 1] += 1
        return starts, targets
