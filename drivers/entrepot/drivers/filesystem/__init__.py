"""A folder of this machine, durable and atomic, laid out as Distribution lays it out."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pydantic import Field, field_validator

from entrepot.core import AccessError, Driver, DriverOptions, FullError, RegisterDriver, hookimpl
from entrepot.drivers.filesystem.driver import FilesystemDriver
from entrepot.drivers.filesystem.errors import translated
from entrepot.drivers.filesystem.files import Files
from entrepot.drivers.filesystem.threads import PacedThreads

_FEWEST_THREADS = 25  # Distribution raises a lower number, too


class FilesystemOptions(DriverOptions):
    """Parameters of the filesystem driver."""

    rootdirectory: str = Field(
        default="/var/lib/registry", min_length=1, description="Where data lies."
    )
    maxthreads: int = Field(
        default=100, ge=0, description="Blocking operations at a time; 25 at least."
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
    threads = PacedThreads(options.maxthreads)
    try:
        root = await threads.run(_prepared, options.rootdirectory)
        yield FilesystemDriver(Files(root, fsync=options.fsync), threads)
    finally:
        threads.close()


def _prepared(folder: str) -> str:
    root = os.path.abspath(folder)
    try:
        os.makedirs(root, exist_ok=True)
    except OSError as error:
        reason = f"cannot create the root folder {root}: {error.strerror}"
        raise AccessError("", reason) from error
    probe = os.path.join(root, f"probe.{uuid.uuid4()}.tmp")
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        os.unlink(probe)
    except OSError as error:
        if isinstance(translated(error, "", root), FullError):
            return root  # what is stored can still be served, and deleted
        reason = f"cannot write to the root folder {root}: {error.strerror}"
        raise AccessError("", reason) from error
    return root


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("filesystem", open_filesystem, FilesystemOptions)
