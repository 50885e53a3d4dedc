"""Those who are told of events: the observers of the configuration, each on its own risk."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from entrepot.core.events import SECONDS, Event, Observer

_LOG = logging.getLogger("entrepot.server.notifications")
_WIDTH = 1000  # events that an observer may be busy with
_MINUTE = 60.0


class Listener:
    """An observer under its name. What it does wrong costs it the event, and nobody else."""

    def __init__(self, name: str, observer: Observer, seconds: float = SECONDS) -> None:
        self.name = name
        self._observer = observer
        self._seconds = seconds
        self._busy = 0
        self._lost = 0
        self._told = float("-inf")

    async def tell(self, event: Event) -> None:
        if self._busy >= _WIDTH:
            self._miss(f"it is busy with {_WIDTH} others")
            return
        self._busy += 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._observer.observe(event)
        except TimeoutError:
            self._miss(f"it took longer than {self._seconds:g} s")
        except Exception as error:  # a stranger's code: whatever it raises is its problem
            self._miss(f"it failed with {type(error).__name__}: {error}", error)
        finally:
            self._busy -= 1

    def _miss(self, reason: str, error: Exception | None = None) -> None:
        """Log that an event is lost, in a line a minute."""
        self._lost += 1
        now = time.monotonic()
        if now - self._told >= _MINUTE:
            _LOG.error(
                "observer %s missed %d event(s), the last because %s",
                self.name,
                self._lost,
                reason,
                exc_info=error,
            )
            self._told, self._lost = now, 0


class Listeners:
    """All of them, told one after another."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = tuple(listeners)

    async def tell(self, event: Event) -> None:
        for listener in self._listeners:
            await listener.tell(event)
