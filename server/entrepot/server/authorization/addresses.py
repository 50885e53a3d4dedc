"""Where a request comes from, seen through the proxies that are trusted to say it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from starlette.types import Scope

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_MOST_HOPS = 20


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks like 10.0.0.0/8. Raises ValueError."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def client_address(scope: Scope, proxies: Sequence[Network]) -> str:
    """The address nearest to us that no trusted proxy has; empty if there is none.

    `X-Forwarded-For` is believed as far as trusted proxies wrote it: anybody may have written
    what stands before that. Whoever reaches a Unix socket is a proxy.
    """
    peer = scope.get("client")
    address: str = peer[0] if peer else ""
    if not proxies:
        return address
    for hop in _hops(scope):
        if address and not _is_trusted(address, proxies):
            break
        if not _is_address(hop):
            break
        address = hop
    return address


def _hops(scope: Scope) -> list[str]:
    """The addresses of all X-Forwarded-For headers, the nearest one first."""
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    listed = b",".join(lines).decode("latin-1").rsplit(",", _MOST_HOPS)
    return [hop.strip() for hop in reversed(listed)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(address: str, proxies: Sequence[Network]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in network for network in proxies)
