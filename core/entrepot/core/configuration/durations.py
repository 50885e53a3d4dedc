"""Durations as Go writes them, which is how Distribution's configuration does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # MICRO SIGN
    "\u03bcs": 1_000,  # GREEK SMALL LETTER MU, which Go reads, too
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_SECOND = _UNITS["s"]
_LARGEST = 2**63 - 1  # Go holds nanoseconds in 64 bits
_PART = re.compile(r"(?P<number>[0-9]+\.?[0-9]*|\.[0-9]+)(?P<unit>[a-zµ\u03bc]+)", re.ASCII)
_MOST_TEXT = 100  # characters; reading more could take long
_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A span of time, exact to the nanosecond; its text is Go's (`1h30m0s`, `300ms`)."""

    nanoseconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read Go's syntax, or a bare integer, which counts nanoseconds.

        Raises ValueError: if it is neither, or longer than Go can hold (292 years).
        """
        if len(text) > _MOST_TEXT:
            raise ValueError(_WANTED)
        if _WHOLE.fullmatch(text):
            return cls._bounded(int(text))
        sign, unsigned = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
        parts = list(_PART.finditer(unsigned))
        if not parts or "".join(part.group() for part in parts) != unsigned:
            raise ValueError(_WANTED)
        return cls._bounded(sign * sum(_nanoseconds(part) for part in parts))

    @classmethod
    def _bounded(cls, nanoseconds: int) -> Self:
        if abs(nanoseconds) > _LARGEST:
            raise ValueError("a duration of at most 292 years is wanted")
        return cls(nanoseconds)

    @property
    def seconds(self) -> float:
        return self.nanoseconds / _SECOND

    def __str__(self) -> str:
        sign, rest = ("-" if self.nanoseconds < 0 else ""), abs(self.nanoseconds)
        if rest < _SECOND:
            return sign + _below_a_second(rest)
        minutes, rest = divmod(rest, _UNITS["m"])
        hours, minutes = divmod(minutes, 60)
        text = f"{_decimal(rest, _SECOND)}s"
        if hours or minutes:
            text = f"{minutes}m{text}"
        return sign + (f"{hours}h{text}" if hours else text)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler, /
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validated, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        return {
            "type": ["string", "integer"],
            "pattern": r"^([0-9]+|([0-9]*\.?[0-9]*(ns|us|µs|ms|s|m|h))+)$",
            "examples": ["30s", "1h30m"],
        }


_WANTED = "a duration is wanted; write it like 300ms, 10s, 5m or 168h"


def _nanoseconds(part: re.Match[str]) -> int:
    unit = _UNITS.get(part["unit"])
    if unit is None:
        raise ValueError(_WANTED)
    return int(Fraction(part["number"].rstrip(".")) * unit)


def _decimal(amount: int, unit: int) -> str:
    whole, rest = divmod(amount, unit)
    if not rest:
        return str(whole)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0")


def _below_a_second(nanoseconds: int) -> str:
    if not nanoseconds:
        return "0s"
    name = next(name for name in ("ms", "µs", "ns") if nanoseconds >= _UNITS[name])
    return _decimal(nanoseconds, _UNITS[name]) + name


def _validated(given: object) -> Duration:
    if isinstance(given, Duration):
        duration = given
    elif isinstance(given, str) or (isinstance(given, int) and not isinstance(given, bool)):
        duration = Duration.parse(str(given))
    else:
        raise ValueError(_WANTED)  # noqa: TRY004 - pydantic takes no TypeError for a mistake
    if duration.nanoseconds < 0:
        raise ValueError("a duration of at least 0 is wanted")
    return duration
