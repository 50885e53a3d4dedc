"""The address ranges of AWS, fetched beside serving.

Source: Amazon VPC User Guide, "AWS IP address ranges".
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network
from typing import Any, TypeAlias

import httpx2

from entrepot.core.networks import Address, Network

_LOG = logging.getLogger("entrepot.cloudfront")
_SECONDS = 60.0  # in which a fetch has to be done
_LARGEST = 16 * 1024 * 1024  # bytes; there were 2 million in 2026
_FIRST_RETRY = 60.0  # seconds after a failure; twice as many after the next

Prefixes: TypeAlias = Mapping[tuple[int, int], frozenset[int]]
"""The leading bits of networks, by version and by how many of them there are."""


class RangesError(Exception):
    """What came is not to be used; the message says why."""


class Ranges:
    """Networks of AWS, those of some regions or all; none before they are fetched once."""

    def __init__(self, url: str, regions: Sequence[str], seconds: float) -> None:
        self._url = url
        self._regions = frozenset(regions)
        self._seconds = seconds
        self._prefixes: Prefixes = {}

    def include(self, address: Address | None) -> bool:
        return address is not None and has(self._prefixes, address)

    async def keep(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Fetch again and again. What cannot be fetched leaves what was there."""
        failures = 0
        while True:
            try:
                await self.update()
            except (RangesError, httpx2.HTTPError, TimeoutError, OSError) as error:
                wait = min(self._seconds, _FIRST_RETRY * 2 ** min(failures, 20))
                failures += 1
                self._tell(error, wait)
            else:
                wait, failures = self._seconds, 0
            await pause(wait)

    async def update(self) -> None:
        """Fetch once. Raises RangesError, httpx2.HTTPError, TimeoutError, OSError."""
        content = await self._fetch()
        self._prefixes = await asyncio.to_thread(prefixes_of, content, self._regions)

    async def _fetch(self) -> bytes:
        content = bytearray()
        headers = {"Accept-Encoding": "identity"}
        async with (
            asyncio.timeout(_SECONDS),
            await asyncio.to_thread(_client) as client,
            client.stream("GET", self._url, headers=headers) as answer,
        ):
            if answer.status_code != 200:
                raise RangesError(f"it answered {answer.status_code}")
            async for chunk in answer.aiter_raw():
                content += chunk
                if len(content) > _LARGEST:
                    raise RangesError(f"it has more than {_LARGEST} bytes")
        return bytes(content)

    def _tell(self, error: Exception, wait: float) -> None:
        until = "the last ones are used" if self._prefixes else "all clients go to CloudFront"
        reason = "it took too long" if isinstance(error, TimeoutError) else str(error)
        reason = reason or type(error).__name__
        _LOG.warning(
            "AWS's address ranges cannot be had from %s: %s; %s, the next try is in %d s",
            self._url,
            reason,
            until,
            wait,
        )


@asynccontextmanager
async def kept(ranges: Ranges) -> AsyncGenerator[None, None]:
    """Fetches in the background until left."""
    task = asyncio.create_task(ranges.keep())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def has(prefixes: Prefixes, address: Address) -> bool:
    """Looks once for each length of prefix that there is, a few dozen at most."""
    number, bits, version = int(address), address.max_prefixlen, address.version
    return any(
        number >> (bits - length) in found
        for (of, length), found in prefixes.items()
        if of == version
    )


def prefixes_of(content: bytes, regions: frozenset[str]) -> Prefixes:
    """The prefixes in a file like AWS's, of all regions if none is named.

    Raises RangesError: if it is another kind of file, or has none of them.
    """
    try:
        listed: Any = json.loads(content)
        entries = [*listed["prefixes"], *listed["ipv6_prefixes"]]
        networks = [network for entry in entries for network in _networks(entry, regions)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RangesError("it is not a file of address ranges like AWS's") from error
    if not networks:
        named = f" of {', '.join(sorted(regions))}" if regions else ""
        raise RangesError(f"it has no address ranges{named}")
    found: dict[tuple[int, int], set[int]] = {}
    for network in networks:
        bits = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
        found.setdefault((network.version, network.prefixlen), set()).add(bits)
    return {length: frozenset(of_length) for length, of_length in found.items()}


def _networks(entry: Any, regions: frozenset[str]) -> Iterator[Network]:
    if not regions or entry["region"].lower() in regions:
        yield ip_network(entry.get("ip_prefix") or entry["ipv6_prefix"], strict=False)


def _client() -> httpx2.AsyncClient:
    """Made off the loop: it reads the authorities that are trusted."""
    return httpx2.AsyncClient(timeout=_SECONDS, follow_redirects=True)
