"""The keys of `storage.s3`: those of Distribution 2 and 3, and a few of ours."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from entrepot.core import DriverOptions
from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.model_base import NoEffect

MIB = 1024 * 1024
SMALLEST_PART = 5 * MIB  # of all but an upload's last one, by the protocol
_LARGEST_PART = 5 * 1024 * MIB

Acl = Literal[
    "private",
    "public-read",
    "public-read-write",
    "aws-exec-read",
    "authenticated-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
]
StorageClass = Literal[
    "NONE",
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "OUTPOSTS",
    "GLACIER_IR",
    "EXPRESS_ONEZONE",
]
LogLevel = Literal[
    "off",
    "debug",
    "debugwithsigning",
    "debugwithhttpbody",
    "debugwithrequestretries",
    "debugwithrequesterrors",
    "debugwitheventstreambody",
]


class S3Options(DriverOptions):
    """Parameters of the S3 driver."""

    bucket: str = Field(min_length=1, description="The bucket. It must exist.")
    region: str = Field(
        default="",
        description="The bucket's region. Required without `regionendpoint`, where it defaults "
        "to us-east-1.",
    )
    regionendpoint: str = Field(
        default="",
        description="URL of a server other than AWS. Checksums are then sent only where the "
        "protocol requires them, and the bucket stands in the path unless `forcepathstyle` is "
        "false.",
    )
    forcepathstyle: bool | None = Field(
        default=None,
        description="Whether the bucket stands in the path instead of the host's name. By "
        "default it does with `regionendpoint`, as in Distribution 2, and does not without. "
        "Distribution 3 defaults to false even with `regionendpoint`: a server that was used "
        "like that, by host name, needs `forcepathstyle: false` here.",
    )
    accesskey: str = Field(
        default="",
        description="Access key id. Without one the AWS credential chain is used: environment, "
        "profile, web identity, container, instance role.",
    )
    secretkey: SecretStr = Field(default=SecretStr(""), description="Secret of `accesskey`.")
    sessiontoken: SecretStr = Field(
        default=SecretStr(""),
        description="Session token of temporary keys. Distribution has no such key.",
    )
    rootdirectory: str = Field(default="", description="Prefix of all keys in the bucket.")
    redirectendpoint: str = Field(
        default="",
        description="Public URL of the server, scheme and host only: links given to clients "
        "are signed for it.",
    )
    secure: bool = Field(
        default=True, description="Use HTTPS where `regionendpoint` names no scheme."
    )
    skipverify: bool = Field(default=False, description="Accept any certificate of the server.")
    v4auth: Annotated[bool, NoEffect("requests are always signed with version 4")] = Field(
        default=True, description="Accepted, without effect: requests always carry signature 4."
    )
    signpayload: bool | None = Field(
        default=None,
        description="Whether signatures cover the content that is sent. By default they do "
        "over plain HTTP; TLS protects it by itself. Costs one SHA-256 of all content. "
        "Distribution has no such key.",
    )
    encrypt: bool = Field(
        default=False, description="Ask the server to encrypt objects (SSE-S3, or SSE-KMS)."
    )
    keyid: str = Field(default="", description="KMS key for `encrypt`.")
    storageclass: StorageClass = Field(
        default="STANDARD", description="Storage class of new objects. NONE: name none."
    )
    objectacl: Acl = Field(default="private", description="Canned ACL of new objects.")
    chunksize: int = Field(
        default=SMALLEST_PART,
        ge=SMALLEST_PART,
        le=_LARGEST_PART,
        description="Bytes of a part of a multipart upload, at first: parts grow with their "
        "number. Some of them are in memory for each push.",
    )
    multipartcopychunksize: int = Field(
        default=32 * MIB,
        ge=SMALLEST_PART,
        le=_LARGEST_PART,
        description="Bytes of a part of a copy on the server's side.",
    )
    multipartcopymaxconcurrency: int = Field(
        default=100, ge=1, description="Parts of one copy under way at once, at most."
    )
    multipartcopythresholdsize: int = Field(
        default=32 * MIB,
        ge=0,
        le=_LARGEST_PART,
        description="Objects of more bytes are copied in parts.",
    )
    maxconnections: int = Field(
        default=64,
        ge=1,
        description="Requests under way at once, at most; and as many downloads besides. "
        "Distribution has no such key.",
    )
    timeout: Duration = Field(
        default=Duration.parse("20s"),
        description="How long one try of a request waits for its answer, besides the time for "
        "what it sends; no further try begins when twice that is over. Distribution has no such "
        "key.",
    )
    useragent: str = Field(default="", description="User-Agent of all requests.")
    usedualstack: bool = Field(default=False, description="Use AWS's IPv4 and IPv6 endpoint.")
    accelerate: bool = Field(default=False, description="Use AWS's transfer acceleration.")
    usefipsendpoint: bool = Field(default=False, description="Use AWS's FIPS endpoint.")
    loglevel: LogLevel = Field(
        default="off",
        description="Anything but off logs the requests at level debug, without credentials "
        "and content.",
    )

    @field_validator("storageclass", "loglevel", "objectacl", mode="before")
    @classmethod
    def _in_any_case(cls, value: object) -> object:
        """Distribution reads them so; YAML makes `false` of a bare `off`."""
        if value is False:
            return "off"
        if not isinstance(value, str):
            return value
        return value.upper() if value.upper() in get_args(StorageClass) else value.lower()

    @field_validator("timeout")
    @classmethod
    def _some_time(cls, timeout: Duration) -> Duration:
        if timeout.nanoseconds <= 0:
            raise ValueError("wanted is some time, like 30s")
        return timeout

    @field_validator("rootdirectory")
    @classmethod
    def _without_slashes(cls, folder: str) -> str:
        return folder.strip("/")

    @field_validator("regionendpoint", "redirectendpoint")
    @classmethod
    def _a_url(cls, url: str) -> str:
        parts = urlsplit(url if "://" in url or not url else f"https://{url}")
        if url and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("must be a URL like https://s3.example.org")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("must have no user, query or fragment")
        return url.rstrip("/")

    @field_validator("redirectendpoint")
    @classmethod
    def _scheme_and_host(cls, url: str) -> str:
        if url and ("://" not in url or urlsplit(url).path):
            raise ValueError("must be scheme and host only, like https://s3.example.org")
        return url

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.region and not self.regionendpoint:
            raise ValueError("region is required, unless regionendpoint names a server")
        if bool(self.accesskey) != bool(self.secretkey.get_secret_value()):
            raise ValueError("accesskey and secretkey belong together: give both or none")
        if self.sessiontoken.get_secret_value() and not self.accesskey:
            raise ValueError("sessiontoken belongs to an accesskey and a secretkey")
        if self.keyid and not self.encrypt:
            raise ValueError("keyid has an effect only with encrypt: true")
        if self.regionendpoint:
            for name in ("usedualstack", "accelerate", "usefipsendpoint"):
                if getattr(self, name):
                    raise ValueError(f"{name} chooses an endpoint of AWS, regionendpoint another")
        if self.accelerate and self.forcepathstyle:
            raise ValueError("accelerate does not work with forcepathstyle")
        if self.bucket.endswith("--x-s3"):
            raise ValueError("directory buckets (…--x-s3) do not list keys in order: use another")
        return self
