"""Addresses to listen on, as Go writes them: `:5000`, `127.0.0.1:5000`, `[::1]:5000`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_ADDRESS = re.compile(
    r"(?:\[(?P<bracketed>[0-9a-fA-F:.]+(?:%[^\]\s]+)?)\]|(?P<name>[^\[\]:/\s]*)):(?P<port>[0-9]{1,9})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address; an empty host stands for all interfaces, port 0 for any free port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError: with what to write instead."""
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise ValueError(f"an address with a port is wanted; write it like {_example(text)}")
        port = int(found["port"])
        if port > 65535:
            raise ValueError("a port is at most 65535; write it like :5000")
        return cls(found["bracketed"] or found["name"] or "", port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _example(text: str) -> str:
    if text.count(":") > 1 and "[" not in text:
        return "[::1]:5000, an IPv6 address in brackets"
    return ":5000 or 127.0.0.1:5000"
