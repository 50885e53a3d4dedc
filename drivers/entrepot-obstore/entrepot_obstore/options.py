"""What the section `storage.obstore` of a configuration may contain."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from entrepot.core import DriverOptions

MIB = 1024 * 1024
Settings = dict[str, str | int | bool]
_SCHEMES = {
    "s3": ("s3", "s3a"),
    "azure": ("az", "adl", "azure", "abfs", "abfss"),
    "gcs": ("gs",),
    "memory": ("memory",),
}
_FILE = "a file: store is not durable: use the driver `filesystem`"


def kind_of(url: str) -> str:
    """`s3`, `azure`, `gcs` or `memory`.

    Raises ValueError: for any other URL, saying which there are.
    """
    scheme = urlsplit(url).scheme
    for kind, schemes in _SCHEMES.items():
        if scheme in schemes:
            return kind
    known = ", ".join(f"{name}://" for names in _SCHEMES.values() for name in names)
    raise ValueError(_FILE if scheme == "file" else f"begins with none of {known}")


def _known(url: str) -> str:
    kind_of(url)
    return url


class ObstoreOptions(DriverOptions):
    """A store's URL, obstore's own settings for it, and how requests are sent."""

    url: Annotated[str, AfterValidator(_known)] = Field(
        description="Where objects are: `s3://bucket/folder`, `az://account/container/folder`, "
        "`gs://bucket/folder`; `memory:///` for trying things out."
    )
    config: Settings = Field(
        default_factory=Settings,
        description="Settings of the store in obstore's own names, such as `endpoint`, `region`, "
        "`access_key_id`, `secret_access_key` for S3 or `account_name`, `account_key` for Azure. "
        "What is absent is taken from the environment variables that obstore knows, then from "
        "the machine's own role.",
    )
    redirectendpoint: str = Field(
        default="",
        description="Endpoint that clients are sent to, if it is not the one used here.",
    )
    chunksize: int = Field(
        default=8 * MIB,
        ge=5 * MIB,
        le=256 * MIB,
        description="Bytes of a part of a large object. A store takes 10,000 parts, so a blob "
        "sent in one request may have 80 GiB by default; one sent in several may have more.",
    )
    maxconcurrency: int = Field(
        default=2, ge=1, le=32, description="Parts of one object that are on their way at once."
    )
    timeout: float = Field(
        default=30.0, gt=0, description="Seconds a store may be silent before a request fails."
    )
    retries: int = Field(
        default=4, ge=0, le=20, description="Times that a failed request is sent again."
    )
    skipverify: bool = Field(default=False, description="Accept any TLS certificate.")
    useragent: str = Field(default="", description="User-Agent that the store sees.")
