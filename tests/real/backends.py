"""The storages that the whole registry is tried on: a configuration, and a bucket of its own."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from tests.real.buckets import (
    AzureContainer,
    Bucket,
    FilesFolder,
    GcsBucket,
    OssBucket,
    RadosNamespace,
    S3Bucket,
    SwiftContainer,
    WebdavFolder,
)
from tests.real.drivers.rados_pools import rados_settings, require_rados
from tests.services.running import Service, require_service

__all__ = ["BACKENDS", "CLOUDS", "SERVERS", "Backend", "open_backend"]

Options = dict[str, Any]
DELETION = {"delete": {"enabled": True}}


@dataclass(frozen=True, slots=True)
class Backend:
    """A storage for one registry, or for several at once."""

    name: str
    driver: str
    options: Mapping[str, Any]
    bucket: Bucket
    endpoint: str  # the server's address, host:port; empty where there is none
    secrets: tuple[str, ...] = ()  # what must be in no log and no message

    @property
    def configuration(self) -> dict[str, object]:
        """The sections of a configuration: deletion is on, all bytes go through the registry."""
        return self.configured()

    def configured(
        self, *, endpoint: str = "", redirect: bool = False, **options: Any
    ) -> dict[str, object]:
        """The same with other options, and with the server at another address."""
        changed = _moved(dict(self.options), self.endpoint, endpoint) | options
        settings = DELETION | {"redirect": {"disable": not redirect}}
        return {"storage": {self.driver: changed, **settings}}


def _moved(value: Any, old: str, new: str) -> Any:
    """Options in which one address stands for another."""
    if not new:
        return value
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, dict):
        named = cast("dict[str, Any]", value)
        return {name: _moved(below, old, new) for name, below in named.items()}
    return value


def _s3(service: Service, bucket: str) -> Backend:
    return Backend(
        name=service.name,
        driver="s3",
        options={
            "bucket": bucket,
            "region": "us-east-1",
            "regionendpoint": service["endpoint"],
            "forcepathstyle": True,  # by default it is not the same in Distribution 2 and 3
            "accesskey": service["accesskey"],
            "secretkey": service["secretkey"],
            "rootdirectory": "below/here",
        },
        bucket=S3Bucket(service, bucket),
        endpoint=urlsplit(service["endpoint"]).netloc,
        secrets=(service["secretkey"],),
    )


def _gcs(service: Service, bucket: str) -> Backend:
    return Backend(
        name="gcs",
        driver="gcs",
        options={
            "bucket": bucket,
            "endpoint": service["endpoint"],
            "anonymous": True,
            "rootdirectory": "below/here",
        },
        bucket=GcsBucket(service, bucket),
        endpoint=urlsplit(service["endpoint"]).netloc,
    )


def _azure(service: Service, bucket: str) -> Backend:
    return Backend(
        name="azure",
        driver="azure",
        options={
            "accountname": service["accountname"],
            "accountkey": service["accountkey"],
            "container": bucket,
            "serviceurl": service["serviceurl"],
            "credentials": {"type": "shared_key"},
        },
        bucket=AzureContainer(service, bucket),
        endpoint=urlsplit(service["serviceurl"]).netloc,
        secrets=(service["accountkey"],),
    )


def _sftp(service: Service, bucket: str) -> Backend:
    where = f"{service['host']}:{service['port']}"
    return Backend(
        name="sftp",
        driver="fsspec",
        options={
            "url": f"ssh://{where}{service['root']}/{bucket}",
            "options": {
                "username": service["user"],
                "client_keys": [service["key"]],
                "known_hosts": service["known_hosts"],
            },
        },
        bucket=FilesFolder(Path(service["root"]) / bucket),
        endpoint=where,
    )


def _webdav(service: Service, bucket: str) -> Backend:
    return Backend(
        name="webdav",
        driver="fsspec",
        options={
            "url": f"webdav://{bucket}",
            "options": {
                "base_url": service["url"],
                "auth": [service["user"], service["password"]],
            },
        },
        bucket=WebdavFolder(service, bucket),
        endpoint=urlsplit(service["url"]).netloc,
        secrets=(service["password"],),
    )


def _obstore(service: Service, bucket: str) -> Backend:
    return Backend(
        name="obstore",
        driver="obstore",
        options={
            "url": f"s3://{bucket}/below/here",
            "config": {
                "endpoint": service["endpoint"],
                "access_key_id": service["accesskey"],
                "secret_access_key": service["secretkey"],
            },
        },
        bucket=S3Bucket(service, bucket),
        endpoint=urlsplit(service["endpoint"]).netloc,
        secrets=(service["secretkey"],),
    )


def _swift(service: Service, bucket: str) -> Backend:
    return Backend(
        name="swift",
        driver="swift",
        options={
            "authurl": service["authurl"],
            "username": service["user"],
            "password": service["key"],
            "container": bucket,
            "prefix": "below/here",
            "chunksize": 4 * 1024 * 1024,
        },
        bucket=SwiftContainer(service, bucket),
        endpoint=urlsplit(service["endpoint"]).netloc,
        secrets=(service["key"],),
    )


def _oss(service: Service, bucket: str) -> Backend:
    named = ("accesskeyid", "accesskeysecret", "region", "endpoint")
    return Backend(
        name="oss",
        driver="oss",
        options={name: service[name] for name in named}
        | {"bucket": bucket, "rootdirectory": "below/here", "chunksize": 5 * 1024 * 1024},
        bucket=OssBucket(service, bucket),
        endpoint=urlsplit(service["endpoint"]).netloc,
        secrets=(service["accesskeysecret"],),
    )


def _rados(service: Service, bucket: str) -> Backend:
    return Backend(
        name="rados",
        driver="rados",
        options=rados_settings(service, service["pool"], bucket),
        bucket=RadosNamespace(service, bucket),
        endpoint="",
        secrets=(_key_in(Path(service["keyring"])),),
    )


def _key_in(keyring: Path) -> str:
    """The key of a Ceph user."""
    return keyring.read_text().partition("key = ")[2].split()[0]


Make = Callable[[Service, str], Backend]
_MADE: dict[str, tuple[str, Make]] = {
    "s3": ("seaweedfs", _s3),
    "s3-ministack": ("ministack", _s3),
    "s3-rgw": ("rgw", _s3),
    "gcs": ("fake-gcs-server", _gcs),
    "azure": ("azurite", _azure),
    "obstore": ("ministack", _obstore),
    "sftp": ("sftp", _sftp),
    "webdav": ("webdav", _webdav),
    "swift": ("swift", _swift),
    "oss": ("oss", _oss),
    "rados": ("rgw", _rados),
}
CLOUDS = ("s3", "gcs", "azure")
# Tested where they are named: a request takes Swift ten times that of the others, OSS is an
# imitation, and RADOS wants one version of Python.
_APART = ("swift", "oss", "rados")
_FURTHER = {"s3-ministack", "s3-rgw"}  # servers of a kind that is covered
BACKENDS = (
    "filesystem",
    *(
        pytest.param(name, marks=pytest.mark.wide) if name in _FURTHER else name
        for name in _MADE
        if name not in _APART
    ),
)
SERVERS = {name: service for name, (service, _) in _MADE.items()}


@contextmanager
def open_backend(name: str) -> Generator[Backend, None, None]:
    """A new bucket on a server that runs, which goes with the block; else it is `unavailable`."""
    if name == "filesystem":
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            options = {"rootdirectory": str(root)}
            yield Backend(name, name, options, FilesFolder(root), "")
        return
    if name == "rados":
        require_rados()
    service_name, make = _MADE[name]
    backend = make(require_service(service_name), f"real-{uuid.uuid4().hex[:12]}")
    backend.bucket.make()
    try:
        yield backend
    finally:
        backend.bucket.remove()
