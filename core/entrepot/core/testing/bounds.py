"""How much the suites ask of a backend, and what an author may change of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

_LOWERABLE = ("many", "huge")


class Bounds:
    """Sizes and times of the suites' tests; what is lowered is in `lowered` with the reason."""

    patience: ClassVar[float] = 120.0
    """Seconds after which a test that could hang is taken to hang; what suits the backend."""

    many: ClassVar[int] = 5_001
    """Keys of the longest listing: past five pages of the object stores."""

    huge: ClassVar[int] = 6 * 1024**3
    """Bytes of the largest object: past 32-bit offsets and the 5 GiB of one S3 request."""

    lowered: ClassVar[Mapping[str, str]] = {}
    """Why this backend is asked for less, by the name of what is lowered: `many` or `huge`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        lower = {name for name in _LOWERABLE if getattr(cls, name) < getattr(Bounds, name)}
        if unsaid := lower - cls.lowered.keys():
            raise TypeError(f"{cls.__name__} lowers {_named(unsaid)}: say in `lowered` why")
        if untrue := cls.lowered.keys() - lower:
            raise TypeError(f"{cls.__name__}.lowered names what is not: {_named(untrue)}")


def _named(names: set[str]) -> str:
    return ", ".join(sorted(names))
