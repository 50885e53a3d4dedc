"""Refusals of a first certificate, remembered over restarts.

A container that is restarted for ever would ask for ever, and use up what an authority allows:
Let's Encrypt, five refusals of a host an hour.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from entrepot.server.acme.asking import AuthorityError
from entrepot.server.acme.cache import Cache
from entrepot.server.acme.wish import Wish

_NAME = "acme+refusals"
_MOST = 4
_WITHIN = timedelta(hours=1)


class Refusals:
    """A file with a line for each: when, of whom, for which hosts and why."""

    def __init__(self, wish: Wish, cache: Cache) -> None:
        self._of = f"{wish.directory} {','.join(wish.hosts)}"
        self._cache = cache

    def check(self, now: datetime) -> None:
        """Raises AuthorityError: the same was refused too often to ask again now."""
        recent = [one for one in self._lines() if now - _WITHIN < one[0] <= now]
        if len(recent) < _MOST:
            return
        again = recent[-_MOST][0] + _WITHIN
        raise AuthorityError(
            f"{recent[-1][1]} (refused {len(recent)} times within an hour; asked again after "
            f"{again:%H:%M} UTC, or once {self._cache.folder / _NAME} is removed)",
            is_refusal=True,
        )

    def note(self, now: datetime, reason: str) -> None:
        lines = [self._line(*one) for one in [*self._lines(), (now, reason)][-_MOST:]]
        with contextlib.suppress(OSError):  # the refusal itself is what has to be told
            self._cache.write(_NAME, "".join(lines).encode())

    def forget(self) -> None:
        with contextlib.suppress(OSError):
            (self._cache.folder / _NAME).unlink(missing_ok=True)

    def _line(self, when: datetime, reason: str) -> str:
        return f"{when.isoformat()} {self._of} {reason}\n"

    def _lines(self) -> Iterator[tuple[datetime, str]]:
        """Those of the same wish, in their order; what cannot be read does not count."""
        try:
            content = self._cache.read(_NAME).decode()
        except (OSError, ValueError):
            return
        for line in content.splitlines():
            when, _, rest = line.partition(" ")
            time = _time(when)
            if time is not None and rest.startswith(f"{self._of} "):
                yield time, rest.removeprefix(f"{self._of} ")


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
