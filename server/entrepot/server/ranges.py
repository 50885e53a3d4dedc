"""Byte ranges. Sources: RFC 9110 section 14; distribution-spec 1.1, "Pulling blobs"."""

from __future__ import annotations

import re

_SPEC = re.compile(r"(\d{0,18})-(\d{0,18})", re.ASCII)
MOST = 1024
"""Ranges that one request may name; the whole is sent if there are more."""


class UnsatisfiableError(Exception):
    """No byte of the content is in any of the ranges, or they are malformed."""


def parse(header: str, size: int) -> list[tuple[int, int]] | None:
    """The ranges [start, stop) that a Range header names, in its order; None: send the whole.

    The whole is sent for another unit than bytes, for too many ranges, and for ranges that
    together are longer than the content.

    Raises UnsatisfiableError.
    """
    unit, equals, listed = header.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    specs = listed.split(",", MOST + 1)
    if len(specs) > MOST:
        return None
    found = [one for one in (_range(spec.strip(), size) for spec in specs) if one is not None]
    if not found:
        raise UnsatisfiableError
    if sum(stop - start for start, stop in found) > size:
        return None
    return found


def _range(spec: str, size: int) -> tuple[int, int] | None:
    if not spec:
        return None
    match = _SPEC.fullmatch(spec)
    if match is None or spec == "-":
        raise UnsatisfiableError
    first, last = match.groups()
    if not first:
        start = max(0, size - int(last))
        return (start, size) if start < size else None
    if last and int(last) < int(first):
        raise UnsatisfiableError
    start, stop = int(first), min(size, int(last) + 1 if last else size)
    return (start, stop) if start < size else None
