"""Addresses of clients, and the networks they are in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_SHOWN = 50  # characters of a bad network that an error repeats


def address_of(text: str) -> Address | None:
    """An address; one of IPv4 in IPv6's clothes is that of IPv4. None: it is none."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def network_of(text: str) -> Network:
    """Raises ValueError: with what to write instead."""
    shown = text[:_SHOWN]
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{shown!r} is no network; write it like 10.0.0.0/8") from None
    if "/" in text and found.network_address != ip_address(text.partition("/")[0]):
        raise ValueError(f"{shown!r} is an address in a network; write {found} for all of it")
    return found


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Raises ValueError: with what to write instead of the first that is none."""
    return tuple(network_of(text) for text in texts)


def is_in(address: Address, networks: Sequence[Network]) -> bool:
    """Whether one of the networks has the address."""
    return any(address in network for network in networks)
