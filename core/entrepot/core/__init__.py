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
from entrepot.core.hookspecs import RegisterDriver, hookimpl
from entrepot.core.staging import StagedUpload

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
    "NotFoundError",
    "OffsetError",
    "OpenDriver",
    "PluginError",
    "Prefix",
    "ProtocolError",
    "RegisterDriver",
    "RegistryError",
    "StagedUpload",
    "StorageError",
    "UnavailableError",
    "Upload",
    "hookimpl",
]
