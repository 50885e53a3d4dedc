"""Which segments of an upload are made one before they become an object."""

from __future__ import annotations

from collections.abc import Iterable

from entrepot_swift.large import Segment
from entrepot_swift.options import MIB

_SMALL = MIB  # bytes; Swift gives one a second of those that are smaller, behind the first ten


def groups(segments: Iterable[Segment]) -> list[list[Segment]]:
    """In order, so that none but the last group is small, and each has but one larger segment."""
    found = list[list[Segment]]()
    size = _SMALL
    for segment in segments:
        if size >= _SMALL:
            found.append([])
            size = 0
        found[-1].append(segment)
        size += segment.size
    return found
