"""An authority of a test's own, and what servers show that got their certificate from it."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from tests.real.programs import unavailable
from tests.services import ports
from tests.services.acme import PEBBLE, start_pebble
from tests.services.definition import Place

__all__ = ["Pebble", "eventually", "open_pebble"]


@dataclass(slots=True)
class Pebble:
    """A running authority, whose answers are sought on `http_port` and `tls_port`."""

    place: Place
    validity: int
    refused_nonces: int
    values: Mapping[str, str]

    @property
    def env(self) -> dict[str, str]:
        """For a server that trusts it."""
        return {"SSL_CERT_FILE": self.values["authority"]}

    @property
    def orders(self) -> int:
        """Certificates that were asked for."""
        return (self.place.logs / "pebble.log").read_text().count("POST /order-plz")

    def tls(self, cache: Path, *hosts: str, httpaddr: str = "", url: str = "") -> dict[str, object]:
        """The section of a configuration that asks for certificates."""
        given = {
            "cachefile": str(cache),
            "email": "admin@example.com",
            "hosts": list(hosts),
            "directoryurl": url or self.values["url"],
            "httpaddr": httpaddr or f"127.0.0.1:{self.values['http_port']}",
        }
        return {"tls": {"letsencrypt": given}}

    def shown(self, address: str, host: str) -> x509.Certificate:
        """What a server shows to one who trusts this authority and wants that host."""
        context = ssl.create_default_context(cafile=self.values["root"])
        name, _, port = address.rpartition(":")
        with (
            socket.create_connection((name, int(port)), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            content = secure.getpeercert(binary_form=True)
        assert content is not None
        return x509.load_der_x509_certificate(content)

    def stop(self) -> None:
        """It forgets everything."""
        self.place.end(5)

    def start(self) -> None:
        """At the same place, as another authority that knows nobody."""
        self.values = start_pebble(
            self.place, validity=self.validity, refused_nonces=self.refused_nonces
        )


@contextmanager
def open_pebble(
    folder: Path, validity: int = 90 * 86400, refused_nonces: int = 0
) -> Generator[Pebble, None, None]:
    if not PEBBLE.installed(folder):
        unavailable("pebble is not here: python tests/services/run.py install pebble")
    place = Place(folder, ports.choose(PEBBLE.ports), PEBBLE.memory)
    pebble = Pebble(place, validity, refused_nonces, {})
    try:
        pebble.start()
        yield pebble
    finally:
        pebble.stop()


def eventually(what: Callable[[], bool], seconds: float = 40) -> bool:
    """Whether something becomes true."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
