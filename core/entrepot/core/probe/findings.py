"""What a check has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Result: TypeAlias = Literal["ok", "failed", "limited", "none"]
"""`limited`: honest, but somebody has to know it; `none`: the driver does not offer this."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, its explanation for people and its figures for programs."""

    check: str
    result: Result
    detail: str = ""
    figures: Mapping[str, float] = field(default_factory=dict[str, float])  # seconds, bytes, counts


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check itself says; a promise that is not kept is a `BrokenError` instead."""

    detail: str = ""
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    result: Result = "ok"


class BrokenError(Exception):
    """The store has not kept a promise; the message says which and what was seen."""


def promised(kept: bool, otherwise: str) -> None:
    """Raises BrokenError: with `otherwise`, if the promise is not kept."""
    if not kept:
        raise BrokenError(otherwise)
