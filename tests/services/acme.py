"""An authority that gives certificates to whoever answers on loopback: Let's Encrypt's Pebble."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.services import packages
from tests.services.definition import Definition, Place, ServiceError
from tests.services.ports import HOST

__all__ = ["PEBBLE", "start_pebble"]

_PROGRAMS = ("pebble", "pebble-challtestsrv", "openssl")
_PACKAGES = ("pebble", "openssl")


def start_pebble(
    place: Place, *, validity: int = 90 * 86400, refused_nonces: int = 0
) -> Mapping[str, str]:
    """Certificates are valid for so many seconds; so many percent of good nonces are refused.

    It asks for answers by http-01 on `http_port`, and by tls-alpn-01 on `tls_port`, of 127.0.0.1
    for every host.
    """
    own = _certificate(place.data)
    directory, management, dns, names, http_port, tls_port = range(place.port, place.port + 6)
    settings = place.data / "pebble.json"
    options: dict[str, object] = {
        "listenAddress": f"{HOST}:{directory}",
        "managementListenAddress": f"{HOST}:{management}",
        "certificate": str(own),
        "privateKey": str(own.with_suffix(".key")),
        "httpPort": http_port,
        "tlsPort": tls_port,
        "certificateValidityPeriod": validity,
        "domainBlocklist": ["refused.example.com"],
    }
    settings.write_text(json.dumps({"pebble": options}))
    place.spawn(
        "challtestsrv",
        *("pebble-challtestsrv", "-dns01", f"{HOST}:{dns}", "-management", f"{HOST}:{names}"),
        *("-http01", "", "-https01", "", "-tlsalpn01", ""),
        *("-defaultIPv4", HOST, "-defaultIPv6", ""),
    )
    place.wait("challtestsrv", lambda: _answer(f"http://{HOST}:{names}/", own) is not None)
    place.spawn(
        "pebble",
        *("pebble", "-config", settings, "-dnsserver", f"{HOST}:{dns}"),
        env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": str(refused_nonces)},
    )
    url = f"https://{HOST}:{directory}/dir"
    place.wait("pebble", lambda: bool(_answer(url, own)))
    root = place.data / "root.pem"
    root.write_bytes(_answer(f"https://{HOST}:{management}/roots/0", own) or b"")
    return {
        "url": url,
        "authority": str(own),
        "root": str(root),
        "http_port": str(http_port),
        "tls_port": str(tls_port),
    }


def _certificate(folder: Path) -> Path:
    """What the authority itself shows to its clients."""
    made = folder / "own.crt"
    command = (
        *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "30"),
        *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"),
        *("-addext", f"subjectAltName=DNS:localhost,IP:{HOST}"),
        *("-keyout", str(made.with_suffix(".key")), "-out", str(made)),
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError(f"openssl: {done.stderr.strip()}")
    return made


def _answer(url: str, trusted: Path) -> bytes | None:
    """The body of an answer, of any status; None: there is none."""
    context = ssl.create_default_context(cafile=str(trusted))
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        with error:
            return b""
    except OSError:
        return None


PEBBLE = Definition(
    name="pebble",
    purpose="Let's Encrypt's test authority: certificates for names that lead to 127.0.0.1",
    packages=_PACKAGES,
    install=lambda _: packages.debian(_PROGRAMS, _PACKAGES),
    installed=lambda _: all(packages.system_program(each) for each in _PROGRAMS),
    start=start_pebble,
    ports=6,
)
