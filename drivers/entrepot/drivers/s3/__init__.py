"""S3 and what speaks its protocol: one bucket, any number of replicas."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from entrepot.core import Driver, RegisterDriver, StorageError, hookimpl
from entrepot.drivers.s3.options import S3Options

__all__ = ["S3Options", "open_s3", "register_drivers"]


@asynccontextmanager
async def open_s3(options: S3Options, /) -> AsyncGenerator[Driver, None]:
    """A driver over a bucket, which must exist; nothing is created.

    One listing of one key shows at once whether it can be used.

    Raises StorageError: if it cannot be; the message says what to do.
    """
    try:
        from entrepot.drivers.s3.opening import opened  # noqa: PLC0415 - brings the SDK
    except ModuleNotFoundError as error:
        reason = f"{error.name} is not installed: pip install 'entrepot[s3]'"
        raise StorageError("", reason) from error
    async with opened(options) as driver:
        yield driver


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("s3", open_s3, S3Options, aliases=("s3aws",), needs=("s3fs",))
