"""Any installed fsspec filesystem as a registry's store, by its URL."""

from __future__ import annotations

from entrepot.core import RegisterDriver, hookimpl
from entrepot.drivers.fsspec.opening import open_fsspec
from entrepot.drivers.fsspec.options import FsspecOptions

__all__ = ["FsspecOptions", "open_fsspec", "register_drivers"]


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("fsspec", open_fsspec, FsspecOptions)
