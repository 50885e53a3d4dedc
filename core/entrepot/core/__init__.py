"""The registry without HTTP and without any backend; what driver authors import is here."""

from entrepot.core.access import DeniedError
from entrepot.core.admission import Admission, AdmissionOptions, OpenAdmission, Push
from entrepot.core.configuration.other_storage import OtherStorage
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
from entrepot.core.events import Event, Observer, ObserverOptions, OpenObserver
from entrepot.core.hookspecs import (
    RegisterAdmission,
    RegisterDriver,
    RegisterObserver,
    RegisterStorageMiddleware,
    hookimpl,
)
from entrepot.core.redirects import link_client
from entrepot.core.staging import StagedUpload
from entrepot.core.wrapping import MiddlewareOptions, OpenMiddleware, WrappingDriver

__all__ = [
    "AccessError",
    "Admission",
    "AdmissionOptions",
    "ConfigurationError",
    "DeleteError",
    "DeniedError",
    "Driver",
    "DriverOptions",
    "Entry",
    "Event",
    "ExistsError",
    "FullError",
    "KeyInvalidError",
    "MiddlewareOptions",
    "NotFoundError",
    "Observer",
    "ObserverOptions",
    "OffsetError",
    "OpenAdmission",
    "OpenDriver",
    "OpenMiddleware",
    "OpenObserver",
    "OtherStorage",
    "PluginError",
    "Prefix",
    "ProtocolError",
    "Push",
    "RegisterAdmission",
    "RegisterDriver",
    "RegisterObserver",
    "RegisterStorageMiddleware",
    "RegistryError",
    "StagedUpload",
    "StorageError",
    "UnavailableError",
    "Upload",
    "WrappingDriver",
    "hookimpl",
    "link_client",
]
