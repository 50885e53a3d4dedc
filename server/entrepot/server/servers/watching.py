"""Renewal: files of certificates are looked at, and what is new in them is shown to clients."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

from entrepot.core.configuration import Tls
from entrepot.core.errors import ConfigurationError
from entrepot.server.servers.material import Material

_LOG = logging.getLogger("entrepot.server")
_BETWEEN = 4.0  # seconds between two looks
_DAY = 24 * 60 * 60.0

Seen = tuple[tuple[int, ...], ...]
Renew = Callable[[Material], Awaitable[None]]


class Renewal:
    """Looks every few seconds, or when told to, and passes on what can be used.

    Files are read once they have stayed the same from one look to the next: a new certificate
    and its key are seldom replaced in the same moment. What cannot be used is logged, and the
    old pair stays. `silent`: somebody else who looks at the same files tells of them.
    """

    def __init__(self, tls: Tls, material: Material, renew: Renew, *, silent: bool = False) -> None:
        self._tls = tls
        self._material = material
        self._renew = renew
        self._silent = silent
        self._asked = asyncio.Event()
        self._warned = float("-inf")
        self._read: Seen | None = None
        self._seen: Seen | None = None

    def ask(self) -> None:
        """Look at once, and read whatever is there."""
        self._asked.set()

    async def run(self) -> None:
        """Returns when cancelled."""
        while True:
            self._warn()
            with suppress(TimeoutError):
                async with asyncio.timeout(_BETWEEN):
                    await self._asked.wait()
            seen = await asyncio.to_thread(_seen, self._tls)
            if self._asked.is_set() or (seen != self._read and seen == self._seen):
                self._asked.clear()
                self._read = seen
                await self._replace()
            self._seen = seen

    async def _replace(self) -> None:
        from entrepot.server.servers.reading import read_material  # noqa: PLC0415 - heavy

        try:
            material = await asyncio.to_thread(read_material, self._tls)
        except ConfigurationError as error:
            for mistake in error.mistakes:
                self._tell(logging.ERROR, f"{mistake}; the old certificate stays")
            return
        if material == self._material:
            return
        try:
            await self._renew(material)
        except Exception:
            _LOG.exception("the new certificate cannot be served; the old one stays")
            return
        self._material = material
        self._warned = float("-inf")
        valid = f"{material.ends:%Y-%m-%d %H:%M} UTC"
        self._tell(logging.INFO, f"certificate renewed: {material.subject}, valid until {valid}")

    def _warn(self) -> None:
        """Tell once a day what is wrong with the certificate's time."""
        at = asyncio.get_running_loop().time()
        if at - self._warned >= _DAY and (warning := self._material.warning(datetime.now(UTC))):
            self._tell(logging.WARNING, f"http.tls.certificate: {self._tls.certificate} {warning}")
            self._warned = at

    def _tell(self, level: int, text: str) -> None:
        if not self._silent:
            _LOG.log(level, "%s", text)


def _seen(tls: Tls) -> Seen:
    """What changes when a file is replaced or written to, also behind symbolic links."""
    return tuple(_stamp(path) for path in (tls.certificate, tls.key, *tls.clientcas))


def _stamp(path: str) -> tuple[int, ...]:
    try:
        seen = os.stat(path)
    except (OSError, ValueError):
        return ()
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns
