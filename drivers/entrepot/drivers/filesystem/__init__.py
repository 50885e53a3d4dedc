"""A folder of this machine, durable and atomic, laid out as Distribution lays it out."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pydantic import Field, field_validator

from entrepot.core import Driver, DriverOptions, FullError, RegisterDriver, hookimpl
from entrepot.drivers.filesystem.driver import FilesystemDriver
from entrepot.drivers.filesystem.errors import translating
from entrepot.drivers.filesystem.threads import PacedThreads

_FEWEST_THREADS = 25  # Distribution raises a lower number, too


class FilesystemOptions(DriverOptions):
    """Parameters of the filesystem driver."""

    rootdirectory: str = Field(
        default="/var/lib/registry", min_length=1, description="Where data lies."
    )
    maxthreads: int = Field(
        default=100, ge=1, description="Blocking operations at a time; 25 at least."
    )
    fsync: bool = Field(
        default=True,
        description="Wait until data is on the disk. False: faster, lost with the power.",
    )

    @field_validator("maxthreads")
    @classmethod
    def _enough(cls, threads: int) -> int:
        return max(threads, _FEWEST_THREADS)


@asynccontextmanager
async def open_filesystem(options: FilesystemOptions) -> AsyncGenerator[Driver, None]:
    """A driver over a folder, which is created if it is missing.

    Raises AccessError: if the folder cannot be created or written to; the message names it.
    """
    root = _prepared(options.rootdirectory)
    threads = PacedThreads(options.maxthreads)
    try:
        yield FilesystemDriver(root, threads, fsync=options.fsync)
    finally:
        threads.close()


def _prepared(folder: str) -> str:
    root = os.path.abspath(folder)
    probe = os.path.join(root, f"probe.{uuid.uuid4()}.tmp")
    try:
        with translating("", root):
            os.makedirs(root, exist_ok=True)
        with translating("", root):
            os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            os.unlink(probe)
    except FullError:
        pass  # what is stored can still be served
    return root


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("filesystem", open_filesystem, FilesystemOptions)
