"""The registry without HTTP and without any backend; what driver authors import is here."""

from entrepot.core.driver import Driver, DriverOptions, Entry, OpenDriver, Prefix, Upload
from entrepot.core.errors import (
    AccessError,
    ConfigurationError,
    DeleteError,
    ExistsError,
    FullError,
    KeyInvalidError,
    NotFoundError,
    OffsetError,
    PluginError,
    ProtocolError,
    RegistryError,
    StorageError,
    UnavailableError,
)
from entrepot.core.hookspecs import RegisterDriver, RegisterStorageMiddleware, hookimpl
from entrepot.core.staging import StagedUpload
from entrepot.core.wrapping import MiddlewareOptions, OpenMiddleware, WrappingDriver

__all__ = [
    "AccessError",
    "ConfigurationError",
    "DeleteError",
    "Driver",
    "DriverOptions",
    "Entry",
    "ExistsError",
    "FullError",
    "KeyInvalidError",
    "MiddlewareOptions",
    "NotFoundError",
    "OffsetError",
    "OpenDriver",
    "OpenMiddleware",
    "PluginError",
    "Prefix",
    "ProtocolError",
    "RegisterDriver",
    "RegisterStorageMiddleware",
    "RegistryError",
    "StagedUpload",
    "StorageError",
    "UnavailableError",
    "Upload",
    "WrappingDriver",
    "hookimpl",
]
