"""All servers that `run.py` knows, by their names."""

from __future__ import annotations

from tests.services.acme import PEBBLE
from tests.services.ceph import RGW
from tests.services.clouds import AZURITE, FAKE_GCS_SERVER
from tests.services.files import SFTP, WEBDAV
from tests.services.oss import OSS
from tests.services.redis import REDIS
from tests.services.s3 import MINISTACK, MOTO, SEAWEEDFS
from tests.services.swift import SWIFT

__all__ = ["SERVICES"]

SERVICES = {
    each.name: each
    for each in (
        SEAWEEDFS,
        MINISTACK,
        MOTO,
        FAKE_GCS_SERVER,
        AZURITE,
        SFTP,
        WEBDAV,
        RGW,
        PEBBLE,
        REDIS,
        SWIFT,
        OSS,
    )
}
