"""Where a bucket is: its own host, one with the bucket in the path, or a custom domain."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from entrepot_oss.options import OssOptions

_OWN = ".aliyuncs.com"
_INTERNAL = "-internal.aliyuncs.com"


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket at an address."""

    scheme: str
    host: str  # with the port, if there is one
    path: str  # before a key, as it is sent: `/` or `/bucket/`
    bucket: str
    region: str

    def url(self, name: str, query: str = "") -> str:
        """Of an object, or of the bucket with an empty name; `query` is quoted already."""
        path = self.path + quote(name, safe="/-_.~")
        return f"{self.scheme}://{self.host}{path}" + (f"?{query}" if query else "")

    def resource(self, name: str) -> str:
        """What signatures call an object: never with the host, always with the bucket."""
        return f"/{self.bucket}/{name}"


def place_of(options: OssOptions) -> Place:
    """Where requests go."""
    internal = "-internal" if options.internal else ""
    return _at(options, options.endpoint or f"oss-{options.region}{internal}{_OWN}")


def public_place_of(options: OssOptions) -> Place:
    """Where clients are sent: never to an internal endpoint, which they cannot reach."""
    if options.redirectendpoint:
        return _at(options, options.redirectendpoint)
    endpoint = options.endpoint or f"oss-{options.region}{_OWN}"
    if endpoint.endswith(_INTERNAL):
        endpoint = endpoint.removesuffix(_INTERNAL) + _OWN
    return _at(options, endpoint)


def _at(options: OssOptions, endpoint: str) -> Place:
    scheme = "https" if options.secure else "http"
    if "://" in endpoint:
        scheme, _, endpoint = endpoint.partition("://")
    name = urlsplit(f"//{endpoint}").hostname or ""
    path = "/"
    if _is_address(name):
        path = f"/{options.bucket}/"
    elif name.endswith(_OWN) and not name.startswith(f"{options.bucket}."):
        endpoint = f"{options.bucket}.{endpoint}"
    return Place(scheme, endpoint, path, options.bucket, options.region)


def _is_address(name: str) -> bool:
    """Whether a host has no name, so that no bucket's name can be in front of it."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
