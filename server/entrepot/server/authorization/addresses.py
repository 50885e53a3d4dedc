"""Where a request comes from, seen through the proxies that are trusted to say it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import Scope

from entrepot.core.networks import Network, address_of, is_in

_MOST_HOPS = 20


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
        if address_of(hop) is None:
            break
        address = hop
    return address


def is_from_proxy(scope: Scope, proxies: Sequence[Network]) -> bool:
    """Whether a trusted proxy hands a request on; whoever reaches a Unix socket is one."""
    peer = scope.get("client")
    return not peer or not peer[0] or _is_trusted(peer[0], proxies)


def _hops(scope: Scope) -> list[str]:
    """The addresses of all X-Forwarded-For headers, the nearest one first."""
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    listed = b",".join(lines).decode("latin-1").rsplit(",", _MOST_HOPS)
    return [hop.strip() for hop in reversed(listed)]


def _is_trusted(address: str, proxies: Sequence[Network]) -> bool:
    found = address_of(address)
    return found is not None and is_in(found, proxies)
