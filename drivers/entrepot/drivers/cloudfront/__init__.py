"""Sends clients for blobs to CloudFront, with signed URLs, or to the store if they are in AWS."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from entrepot.core import Driver, RegisterStorageMiddleware, hookimpl
from entrepot.drivers.cloudfront.options import CloudfrontOptions

__all__ = ["CloudfrontOptions", "open_cloudfront", "register_storage_middlewares"]


@asynccontextmanager
async def open_cloudfront(
    options: CloudfrontOptions, driver: Driver
) -> AsyncGenerator[Driver, None]:
    """A driver whose links lead to CloudFront.

    Raises AccessError: if the key cannot be used; the message says why.
    """
    from entrepot.drivers.cloudfront.driver import opened  # noqa: PLC0415 - brings cryptography

    async with opened(options, driver) as linking:
        yield linking


@hookimpl
def register_storage_middlewares(register: RegisterStorageMiddleware) -> None:
    register("cloudfront", open_cloudfront, CloudfrontOptions)
