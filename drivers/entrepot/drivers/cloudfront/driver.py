"""A driver whose links lead to CloudFront."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal, Protocol, runtime_checkable
from urllib.parse import quote

from entrepot.core import Driver, WrappingDriver, link_client
from entrepot.drivers.cloudfront.options import CloudfrontOptions
from entrepot.drivers.cloudfront.ranges import Ranges, kept
from entrepot.drivers.cloudfront.signing import Signer, read_signer


@runtime_checkable
class Named(Protocol):
    """A driver whose objects have other names in their bucket than their keys."""

    def object_name(self, key: str) -> str: ...


class CloudfrontDriver(WrappingDriver):
    """Any driver, whose objects CloudFront has under `base`, a URL without a slash at its end.

    Links of clients in `ranges` are the driver's own.
    """

    def __init__(
        self, driver: Driver, base: str, signer: Signer, seconds: float, ranges: Ranges | None
    ) -> None:
        super().__init__(driver)
        self._base = base
        self._signer = signer
        self._seconds = seconds
        self._ranges = ranges
        self._store = _innermost(driver)

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        if self._ranges is not None and self._ranges.include(link_client()):
            return await super().link(key, method, seconds)
        name = self._store.object_name(key) if isinstance(self._store, Named) else key
        url = f"{self._base}/{quote(name, safe='/~')}"
        return self._signer.sign(url, int(time.time() + self._seconds))


@asynccontextmanager
async def opened(options: CloudfrontOptions, driver: Driver) -> AsyncGenerator[Driver, None]:
    """Raises AccessError: if the key cannot be used."""
    signer = await asyncio.to_thread(read_signer, options.privatekey, options.keypairid)
    ranges = None
    async with AsyncExitStack() as stack:
        if options.ipfilteredby != "none":
            regions = options.awsregion if options.ipfilteredby == "awsregion" else ()
            ranges = Ranges(options.iprangesurl, regions, options.update_seconds)
            await stack.enter_async_context(kept(ranges))
        yield CloudfrontDriver(driver, options.baseurl, signer, options.duration.seconds, ranges)


def _innermost(driver: Driver) -> Driver:
    while isinstance(driver, WrappingDriver):
        driver = driver.driver
    return driver
