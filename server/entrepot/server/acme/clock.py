"""Time as those who wait need it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Event


class Clock:
    """The machine's time, and waiting that ends early when told to stop."""

    def __init__(self) -> None:
        self._stopped = Event()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def seconds(self) -> float:
        """Of a clock that is never set."""
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait so long; whether to stop, which ends it at once."""
        return self._stopped.wait(seconds)

    def stop(self) -> None:
        self._stopped.set()
