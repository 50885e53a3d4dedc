"""Azure Blob Storage: block blobs of one container."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from entrepot.core import Driver, RegisterDriver, StorageError, hookimpl
from entrepot.drivers.azure.options import AzureCredentials, AzureOptions

__all__ = ["AzureCredentials", "AzureOptions", "open_azure", "register_drivers"]


@asynccontextmanager
async def open_azure(options: AzureOptions) -> AsyncGenerator[Driver, None]:
    """A driver over a container, which must exist.

    Raises AccessError: if the credentials, the container or their rights are wrong.
    UnavailableError: if the service does not answer within ten seconds.
    """
    try:
        from entrepot.drivers.azure.opening import opened  # noqa: PLC0415 - the SDK is an extra
    except ImportError as error:
        reason = f"the driver needs what `pip install entrepot[azure]` installs: {error}"
        raise StorageError("", reason) from error
    async with opened(options) as driver:
        yield driver


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("azure", open_azure, AzureOptions, needs=("adlfs",))
