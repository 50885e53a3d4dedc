"""What a row of the tables of keys says, and how a file and a variable are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Nested: TypeAlias = dict[str, Any]

AS_WRITTEN = object()
"""What arrives is the example itself."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the configuration.

    `known` names the versions of Distribution that have it: `2 3`, or `ours` if none has. The
    example is YAML and not the default, and is tried alone but for what is `beside` it. Either
    it arrives in the configuration, where `moved` says if that is not where it was written, or
    it is `refused`; `noted` is what is told all the same, `noted_as_moved` what is told of the key
    that it was moved to. `variable` is Distribution's name for
    it, which the source of Distribution has from its own fields, where it is not the path.
    """

    path: str
    known: str
    example: str
    arrives: object = AS_WRITTEN
    moved: str = ""
    noted: str = ""
    noted_at: str = ""
    noted_as_moved: str = ""
    refused: str = ""
    refused_at: str = ""
    variable: str = ""
    beside: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def section(self) -> str:
        return self.path.split(".")[0]

    @property
    def variables(self) -> list[str]:
        """Its names in the environment: Distribution's, and ours if that is another one."""
        spelled = self.path.upper().replace(".", "_")
        return [f"REGISTRY_{name}" for name in dict.fromkeys((self.variable or spelled, spelled))]

    @property
    def file(self) -> str:
        """A file with the key."""
        return written({**self.base, **self.beside, self.path: self.example})

    @property
    def file_without(self) -> str:
        """The same file without the key."""
        return written({**self.base, **self.beside})

    @property
    def base(self) -> Mapping[str, str]:
        """What every file has: a version and a driver, unless the key is one of a driver's."""
        version = {"version": "0.1"}
        return version if self._is_drivers() else {**version, "storage.inmemory": "{}"}

    def _is_drivers(self) -> bool:
        settings = {"maintenance", "cache", "redirect", "delete", "tag"}
        return self.section == "storage" and self.path.split(".")[1] not in settings


def written(values: Mapping[str, str]) -> str:
    """YAML of values by dotted path, a line for each section; numbers in a path are indexes."""
    nested: Nested = {}
    for path, value in values.items():
        at = nested
        *above, last = path.split(".")
        for key in above:
            at = at.setdefault(key, {})
        at[last] = value
    return "".join(f"{key}: {_flow(below)}\n" for key, below in nested.items())


def _flow(value: Any) -> str:
    if isinstance(value, str):
        return value
    below: Nested = value
    if below and all(key.isdecimal() for key in below):
        return f"[{', '.join(_flow(one) for one in below.values())}]"
    return f"{{{', '.join(f'{key}: {_flow(one)}' for key, one in below.items())}}}"
