"""Log lines that would come with each event: one a minute of a kind."""

from __future__ import annotations

import logging
import time

_SECONDS = 60.0


class Seldom:
    """Says how often a line was held back since the last one of its kind."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def tell(self, log: logging.Logger, kind: str, message: str, *args: object) -> None:
        now = time.monotonic()
        if now - self._told.get(kind, float("-inf")) < _SECONDS:
            self._held[kind] = self._held.get(kind, 0) + 1
            return
        self._told[kind] = now
        held = self._held.pop(kind, 0)
        more = f" (and {held} times more since the last such line)" if held else ""
        log.warning(message + more, *args)

    def forget(self, kind: str) -> None:
        """Let the next line of that kind be told at once."""
        self._told.pop(kind, None)
        self._held.pop(kind, None)
