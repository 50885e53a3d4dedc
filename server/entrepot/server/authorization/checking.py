"""What of `auth` and `access` does not go with the rest of a configuration."""

from __future__ import annotations

from collections.abc import Iterator

from entrepot.core.configuration import Configuration
from entrepot.core.errors import ConfigurationError

_VERIFYING = {"verify-client-cert-if-given", "require-and-verify-client-cert"}


def check(configuration: Configuration) -> None:
    """Raises ConfigurationError: with every mistake."""
    mistakes = [*_mistakes(configuration)]
    if mistakes:
        raise ConfigurationError(*mistakes)


def _mistakes(configuration: Configuration) -> Iterator[str]:
    method, http = configuration.auth.method, configuration.http
    if method == "token" and (configuration.access.rules or configuration.access.file):
        yield (
            "access: no effect with `auth.token`, whose tokens say what their owners may do; "
            "remove the section, or let the registry issue tokens with `auth.entrepot`"
        )
    if method == "entrepot" and http.workers > 1 and not configuration.auth.parameters.get("keys"):
        yield (
            f"auth.entrepot.keys: none, and the {http.workers} workers of `http.workers` would "
            "each sign with another; make one with `entrepot auth key PATH` and name it"
        )
    if method == "certificate":
        if not http.tls.clientcas:
            yield (
                "auth.certificate: nobody's certificate is trusted; "
                "name authorities as `http.tls.clientcas`"
            )
        elif http.tls.clientauth not in _VERIFYING:
            yield (
                f"http.tls.clientauth: {http.tls.clientauth} verifies nothing, which "
                "`auth.certificate` relies on; write verify-client-cert-if-given"
            )
