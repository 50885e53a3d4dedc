"""Which server serves a configuration, and with what."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from dataclasses import replace

from starlette.types import ASGIApp

from entrepot.core.configuration import Configuration, Tls
from entrepot.core.configuration.mistakes import nearest
from entrepot.core.errors import ConfigurationError
from entrepot.server.servers.ciphers import KNOWN, allow_all_of_rustls, of_tls_12
from entrepot.server.servers.granian import GranianListener
from entrepot.server.servers.idle import Room
from entrepot.server.servers.listener import Listener
from entrepot.server.servers.material import Material
from entrepot.server.servers.settings import Settings, room

_LOG = logging.getLogger("entrepot.server")
_WITHOUT = {"none", "silly", "htpasswd", "token", "entrepot"}
"""Ways of authentication that do not look at certificates."""

_DEBUG_CONNECTIONS, _DEBUG_SECONDS = 64, 60.0
_VERIFY = {"require-and-verify-client-cert": "require", "verify-client-cert-if-given": "optional"}


def speaks_tls(tls: Tls) -> bool:
    return bool(tls.certificate or tls.key)


def material(configuration: Configuration) -> Material | None:
    """What TLS is spoken with; None: it is not spoken.

    Raises ConfigurationError: with everything that is wrong with `http.tls`.
    """
    tls = configuration.http.tls
    mistakes = list(_mistakes(configuration))
    read: Material | None = None
    if speaks_tls(tls):
        from entrepot.server.servers.reading import read_material  # noqa: PLC0415 - only for TLS

        try:
            read = read_material(tls)
        except ConfigurationError as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise ConfigurationError(*mistakes)
    return read


def listener(
    app: ASGIApp, configuration: Configuration, listening: socket.socket, material: Material | None
) -> Listener:
    """The server that can do what the configuration asks for; Granian wherever it can."""
    http = configuration.http
    wanted = Settings(listening, room(configuration), http2=http.h2c.enabled)
    if material is None:
        return GranianListener(app, wanted, None)
    tls = http.tls
    suites = tuple(of_tls_12(tls.ciphersuites))
    wanted = replace(
        wanted,
        http2=not http.http2.disabled,
        oldest="tls1.3" if tls.ciphersuites and not suites else tls.minimumtls,
        verify=_VERIFY.get(tls.clientauth, "") if tls.clientcas else "",
        suites=() if allow_all_of_rustls(tls.ciphersuites) else suites,
    )
    reason = _needs_openssl(configuration, wanted, material)
    if not reason:
        return GranianListener(app, wanted, material)
    from entrepot.server.servers.openssl import OpensslListener  # noqa: PLC0415 - heavy, if wanted

    _LOG.info("%s: TLS by OpenSSL, which speaks HTTP/1.1 only", reason)
    return OpensslListener(app, wanted, material)


def debug_listener(app: ASGIApp, listening: socket.socket) -> Listener:
    return GranianListener(app, Settings(listening, Room(_DEBUG_CONNECTIONS, _DEBUG_SECONDS)), None)


def _needs_openssl(configuration: Configuration, wanted: Settings, material: Material) -> str:
    """Why Granian cannot serve this; empty: it can."""
    if wanted.verify == "optional":
        return "http.tls.clientauth"
    if wanted.verify and configuration.auth.method not in _WITHOUT:
        return f"auth.{configuration.auth.method}"
    if wanted.suites and wanted.oldest != "tls1.3":
        return "http.tls.ciphersuites"
    return "" if material.everywhere else "http.tls.key"


def _mistakes(configuration: Configuration) -> Iterator[str]:
    tls = configuration.http.tls
    is_verified = speaks_tls(tls) and bool(tls.clientcas) and tls.clientauth in _VERIFY
    if tls.clientcas and tls.clientauth == "require-any-client-cert":
        yield (
            "http.tls.clientauth: any certificate would do, also one that a client made for "
            "itself; write require-and-verify-client-cert or verify-client-cert-if-given"
        )
    elif configuration.auth.method == "certificate" and not is_verified:
        yield (
            "auth.certificate: no client certificates are verified; give http.tls.certificate, "
            "key and clientcas, and clientauth: verify-client-cert-if-given"
        )
    for name in tls.ciphersuites:
        if name not in KNOWN:
            meant = nearest(name, KNOWN)
            hint = f"did you mean {meant!r}?" if meant else "names are those of Go's crypto/tls"
            yield f"http.tls.ciphersuites: {name!r} is unknown; {hint}"
