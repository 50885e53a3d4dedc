"""What `http.tls.letsencrypt` asks for, and what is wrong with it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from entrepot.core.configuration import Address, Configuration
from entrepot.core.configuration.model_http import LetsEncrypt
from entrepot.core.errors import ConfigurationError

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
"""The authority that is asked if no other is named."""

_KEY = "http.tls.letsencrypt"
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_MOST = 100  # names in a certificate that Let's Encrypt signs


@dataclass(frozen=True, slots=True)
class Wish:
    """A certificate for `hosts`, in lower case, kept in the folder `cache`.

    `address` is where the authority's questions are answered, over plain HTTP.
    """

    hosts: tuple[str, ...]
    email: str
    directory: str
    cache: Path
    address: Address


def wish(configuration: Configuration) -> Wish | None:
    """What is wished for; None: nothing.

    Raises ConfigurationError: with everything that is wrong with it.
    """
    tls = configuration.http.tls
    section = tls.letsencrypt
    asked = section.cachefile or section.email or section.hosts or section.directoryurl
    if not asked or tls.certificate:
        return None
    mistakes = list(_mistakes(section))
    if find_spec("acme") is None:
        mistakes.append(f"{_KEY}: a library is missing; pip install 'entrepot[acme]'")
    if mistakes:
        raise ConfigurationError(*mistakes)
    return Wish(
        tuple(dict.fromkeys(host.lower().removesuffix(".") for host in section.hosts)),
        section.email,
        section.directoryurl or LETS_ENCRYPT,
        Path(section.cachefile),
        Address.parse(section.httpaddr),
    )


def _mistakes(section: LetsEncrypt) -> Iterator[str]:
    if not section.cachefile:
        yield f"{_KEY}.cachefile: missing; give a folder that outlives the container"
    elif Path(section.cachefile).is_file():
        yield (
            f"{_KEY}.cachefile: {section.cachefile} is a file, as Distribution 2 had it; give "
            f"a folder, as Distribution 3 has it, like {section.cachefile}.d, and remove the "
            "file: a new certificate is obtained"
        )
    if not section.hosts:
        yield f"{_KEY}.hosts: missing; give the names that clients know the registry by"
    if len(section.hosts) > _MOST:
        yield f"{_KEY}.hosts: {len(section.hosts)} names; a certificate has at most {_MOST}"
    for number, host in enumerate(section.hosts):
        if reason := _unfit(host):
            yield f"{_KEY}.hosts[{number}]: {host!r} {reason}"


def _unfit(host: str) -> str:
    """Why a certificate cannot be had for a host; empty: it can."""
    if "*" in host:
        return (
            "is a wildcard, which is proved by DNS records only; name each host, or get the "
            "certificate elsewhere and give http.tls.certificate and key"
        )
    if _is_ip(host):
        return "is an IP address; a name is wanted"
    if not host.isascii():
        return "has letters beyond ASCII; write it in its form for DNS, which begins with xn--"
    if not _NAME.fullmatch(host.lower().removesuffix(".")):
        return "is no host name; write it like registry.example.com, without scheme and port"
    return ""


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
