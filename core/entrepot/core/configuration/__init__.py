"""Distribution's `config.yml` and `REGISTRY_*` variables, read with care.

`load` gives a `Configuration`, or everything that is wrong with it at once.
"""

from __future__ import annotations

from entrepot.core.configuration.access_file import parse_rules, read_rules, rules_of
from entrepot.core.configuration.addresses import Address
from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.json_schema import schema
from entrepot.core.configuration.loaded import Loaded
from entrepot.core.configuration.loading import load
from entrepot.core.configuration.locating import located
from entrepot.core.configuration.model import Auth, Configuration, Middleware
from entrepot.core.configuration.model_base import Plugged
from entrepot.core.configuration.model_content import Catalog, Tags, Validation
from entrepot.core.configuration.model_http import Http, Tls
from entrepot.core.configuration.model_log import Log
from entrepot.core.configuration.model_services import Health, Notifications, Proxy, Redis
from entrepot.core.configuration.model_storage import Storage
from entrepot.core.configuration.options import driver_options, plugged_options
from entrepot.core.configuration.other_storage import OtherStorage, other_storages
from entrepot.core.configuration.plugged import (
    PluggedModels,
    admissions,
    observers,
    storage_middlewares,
)
from entrepot.core.configuration.showing import shown

__all__ = [
    "Address",
    "Auth",
    "Catalog",
    "Configuration",
    "Duration",
    "Health",
    "Http",
    "Loaded",
    "Log",
    "Middleware",
    "Notifications",
    "OtherStorage",
    "Plugged",
    "PluggedModels",
    "Proxy",
    "Redis",
    "Storage",
    "Tags",
    "Tls",
    "Validation",
    "admissions",
    "driver_options",
    "load",
    "located",
    "observers",
    "other_storages",
    "parse_rules",
    "plugged_options",
    "read_rules",
    "rules_of",
    "schema",
    "shown",
    "storage_middlewares",
]
