"""A configuration with the certificate that `http.tls.letsencrypt` asks for."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING

from entrepot.core.configuration import Configuration
from entrepot.server.acme.wish import Wish, wish

if TYPE_CHECKING:  # it brings `cryptography`, which costs start-up time
    from entrepot.server.acme.asking import Asking

_LOG = logging.getLogger("entrepot.server.acme")
_GRACE = 1.0  # seconds for a renewal under way when the server stops


@contextmanager
def certified(configuration: Configuration) -> Generator[Configuration, None, None]:
    """Give the configuration to serve: its certificate and key are those of the cache.

    They are there when this returns, and are replaced in time, in the background, until the
    context is left. A configuration that does not ask for any is given as it is.

    Raises ConfigurationError: what is asked for cannot be had; AuthorityError: no certificate
    is in the cache, and the authority gives none.
    """
    wished = wish(configuration)
    if wished is None:
        yield configuration
        return
    with _kept(wished) as path:
        yield _with(configuration, path)


@contextmanager
def _kept(wished: Wish) -> Generator[Path, None, None]:
    # imported here: few need it, and it costs start-up time
    from entrepot.server.acme.cache import Cache  # noqa: PLC0415
    from entrepot.server.acme.clock import Clock  # noqa: PLC0415
    from entrepot.server.acme.door import Door, open_door  # noqa: PLC0415
    from entrepot.server.acme.keeper import Keeper  # noqa: PLC0415

    cache = Cache(wished.cache, wished.hosts)
    cache.prepare()

    def asking() -> Asking:
        from entrepot.server.acme.authority import Authority  # noqa: PLC0415

        return Authority(wished, cache)

    keeper = Keeper(wished, cache, asking, Clock())
    with open_door(Door(cache, wished.hosts), wished.address):
        where = (wished.address, ", ".join(wished.hosts))
        _LOG.info("answering the ACME authority on %s; port 80 of %s has to lead there", *where)
        keeping = Thread(target=keeper.keep, name="acme keeper", daemon=True)
        try:
            with _ended_by_signal():
                keeper.first()
            keeping.start()
            yield cache.path
        finally:
            keeper.close()
            if keeping.is_alive():
                keeping.join(_GRACE)


@contextmanager
def _ended_by_signal() -> Generator[None, None, None]:
    """SIGTERM ends what is done here, also in a container, where nothing else would."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _with(configuration: Configuration, path: Path) -> Configuration:
    http = configuration.http
    tls = http.tls.model_copy(update={"certificate": str(path), "key": str(path)})
    return configuration.model_copy(update={"http": http.model_copy(update={"tls": tls})})
