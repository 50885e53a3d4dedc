"""The same configuration under our server and both Distributions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.real.differential import scenarios_content, scenarios_protocol
from tests.real.differential.playing import Scenario

__all__ = ["BUNDLE", "HTPASSWD", "SETUPS", "USERS", "Setup"]

HTPASSWD = "user:$2y$04$LPGj.k5Z/gQSUfN/uGoGneZCwk6LgRGzZXIPneFLOoVPtdbFbW6lC\n"
"""The password is `secret`."""

USERS = "the file of users"
BUNDLE = "the file of certificates"
"""What stands for files that are written for the servers."""

_HEADERS = {"headers": {"X-Content-Type-Options": ["nosniff"], "X-Two": ["b", "a"]}}


@dataclass(frozen=True, slots=True)
class Setup:
    """Sections of a configuration, variables over it, and the scenarios that are played."""

    scenarios: tuple[Scenario, ...]
    storage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    http: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sections: Mapping[str, Any] = field(default_factory=dict[str, Any])
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    prefix: str = ""


SETUPS = {
    "plain": Setup(
        (
            scenarios_protocol.routes,
            scenarios_protocol.uploads,
            scenarios_protocol.addresses,
            scenarios_content.manifests,
            scenarios_content.pushed_manifests,
            scenarios_content.blobs,
            scenarios_content.listings,
            scenarios_content.deletes,
        ),
        storage={"delete": {"enabled": True}},
    ),
    "image": Setup(
        (scenarios_content.deletes,),
        storage={"cache": {"blobdescriptor": "inmemory"}},
        http=_HEADERS,
        sections={
            "log": {"fields": {"service": "registry"}},
            "health": {"storagedriver": {"enabled": True, "interval": "10s", "threshold": 3}},
        },
    ),
    "prefix": Setup(
        (scenarios_protocol.addresses,), http={"prefix": "/my/registry/"}, prefix="/my/registry"
    ),
    "host": Setup(
        (scenarios_protocol.addresses,), http={"host": "https://registry.example.com:8443"}
    ),
    "relative": Setup((scenarios_protocol.addresses,), http={"relativeurls": True}),
    "environment": Setup(
        (scenarios_protocol.addresses, scenarios_content.deletes, scenarios_content.listings),
        env={
            "REGISTRY_STORAGE_DELETE_ENABLED": "true",
            "REGISTRY_STORAGE_DELETE": "{enabled: false}",
            "REGISTRY_HTTP_HOST": "https://env.example.com",
            "REGISTRY_HTTP_HEADERS": "{X-From: [environment]}",
            "REGISTRY_CATALOG_MAXENTRIES": "3",
            "REGISTRY_LOG_LEVEL": "warn",
            "REGISTRY_NOT_KNOWN": "a",
        },
    ),
    "login": Setup(
        (scenarios_protocol.login,),
        sections={"auth": {"htpasswd": {"realm": "a realm", "path": USERS}}},
    ),
    "token": Setup(
        (scenarios_protocol.login,),
        sections={
            "auth": {
                "token": {
                    "realm": "https://auth.example.com/token",
                    "service": "registry.example.com",
                    "issuer": "an issuer",
                    "rootcertbundle": BUNDLE,
                }
            }
        },
    ),
    "readonly": Setup(
        (scenarios_protocol.readonly,),
        storage={
            "delete": {"enabled": True},
            "maintenance": {"readonly": {"enabled": True}, "uploadpurging": {"enabled": False}},
        },
    ),
}
