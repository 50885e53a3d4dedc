"""Google Cloud Storage, by its JSON API, on the session and the credentials of gcsfs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from entrepot.core import Driver, RegisterDriver, StorageError, hookimpl
from entrepot.drivers.gcs.options import GcsOptions
from entrepot.drivers.gcs.patience import Patience

__all__ = ["GcsOptions", "open_gcs", "register_drivers"]


@asynccontextmanager
async def open_gcs(options: GcsOptions) -> AsyncGenerator[Driver, None]:
    """A driver over an existing bucket.

    Raises StorageError: if the bucket cannot be used as configured, within about 10 seconds,
    or if the extra is not installed; the message says what to do.
    """
    try:
        from entrepot.drivers.gcs.opening import opened  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        reason = f"the gcs driver needs {error.name}: pip install 'entrepot[gcs]'"
        raise StorageError("", reason) from error
    async with opened(options, Patience()) as driver:
        yield driver


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("gcs", open_gcs, GcsOptions, needs=("gcsfs",))
