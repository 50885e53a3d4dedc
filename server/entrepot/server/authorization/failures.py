"""Failed logins: how many an address may have before it has to wait."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

MOST = 10_000
"""Addresses, and pairs of an address and a user, that are remembered."""


class Failures:
    """A budget of failures for each address, and a smaller one for each user from it.

    A budget is `burst` failures and fills again by one every `seconds`; what succeeds costs
    nothing. Memory is bounded: the address whose last failure is longest ago is forgotten.
    """

    def __init__(self, most: int = MOST) -> None:
        self._by_address = _Budgets(100, 1.0, most)
        self._by_user = _Budgets(10, 6.0, most)

    def wait(self, address: str, user: str, now: float) -> float:
        """Seconds until this user may try again from this address; 0: now."""
        place = _network(address)
        of_user = self._by_user.wait(_pair(place, user), now)
        return max(self._by_address.wait(place, now), of_user)

    def add(self, address: str, user: str, now: float) -> None:
        """A login that failed at `now`, in seconds of a clock that does not jump."""
        place = _network(address)
        self._by_address.take(place, now)
        self._by_user.take(_pair(place, user), now)

    def __len__(self) -> int:
        return len(self._by_address) + len(self._by_user)


class _Budgets:
    def __init__(self, burst: int, seconds: float, most: int) -> None:
        self._full = burst * seconds
        self._seconds = seconds
        self._most = most
        self._empty_until: OrderedDict[str, float] = OrderedDict()
        """When a budget is full again; the further off, the less is in it."""

    def wait(self, key: str, now: float) -> float:
        filled = self._empty_until.get(key, now)
        return max(0.0, filled + self._seconds - self._full - now)

    def take(self, key: str, now: float) -> None:
        filled = max(self._empty_until.get(key, now), now)
        self._empty_until[key] = filled + self._seconds
        self._empty_until.move_to_end(key)
        if len(self._empty_until) > self._most:
            self._empty_until.popitem(last=False)

    def __len__(self) -> int:
        return len(self._empty_until)


def _pair(place: str, user: str) -> str:
    return f"{place} {user[:64]}"


def _network(address: str) -> str:
    """Who has one IPv6 address has at least 2**64 of them."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(found.ipv4_mapped) if found.ipv4_mapped else found.packed[:8].hex()
