"""Figures as people read and write them."""

from __future__ import annotations

from entrepot.core.configuration import Duration
from entrepot.core.errors import ConfigurationError


def amount(number: int, unit: str) -> str:
    """A number as people read it: bytes in binary units, anything else in groups of digits."""
    if unit != "bytes":
        return f"{number:,} {unit}"
    size, step = float(number), "B"
    for step in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or step == "TiB":
            break
        size /= 1024
    return f"{number} B" if step == "B" else f"{size:.1f} {step}"


def duration(seconds: float) -> str:
    """A time as people say it: the largest unit of which there are two."""
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit:.0f} {name}"
    return f"{seconds:.0f} s"


def seconds_of(option: str, text: str) -> float:
    """What an option such as `--age 36h` says. Raises ConfigurationError."""
    try:
        return Duration.parse(text).seconds
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}") from None
