"""The keys of `storage.oss`: those of Distribution 2, and a few more."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from entrepot.core import DriverOptions

MIB = 1024 * 1024


class OssOptions(DriverOptions):
    """The bucket, how to get into it, and how requests are sent."""

    accesskeyid: str = Field(
        default="",
        description="AccessKey ID. Without one the environment's is taken: `OSS_ACCESS_KEY_ID`, "
        "`OSS_ACCESS_KEY_SECRET` and `OSS_SESSION_TOKEN`, or `ALIBABA_CLOUD_ACCESS_KEY_ID`, "
        "`ALIBABA_CLOUD_ACCESS_KEY_SECRET` and `ALIBABA_CLOUD_SECURITY_TOKEN`.",
    )
    accesskeysecret: SecretStr = Field(
        default=SecretStr(""), description="Secret of `accesskeyid`."
    )
    securitytoken: SecretStr = Field(
        default=SecretStr(""), description="STS token, where `accesskeyid` is a temporary one."
    )
    ramrole: str = Field(
        default="",
        description="RAM role of the ECS instance, whose temporary keys are taken and renewed "
        "instead.",
    )
    region: str = Field(
        description="The bucket's region: `cn-hangzhou`, or Distribution's `oss-cn-hangzhou`."
    )
    bucket: str = Field(min_length=3, max_length=63, description="The bucket. It must exist.")
    endpoint: str = Field(
        default="",
        description="Host of OSS, with or without the bucket in front; or a custom domain that "
        "is mapped to the bucket. By default the region's.",
    )
    internal: bool = Field(
        default=False,
        description="Use the region's internal endpoint, for which Alibaba does not charge "
        "traffic. Clients are sent to the public one.",
    )
    redirectendpoint: str = Field(
        default="",
        description="Host that links for clients are made for, as `endpoint`. By default the "
        "public one.",
    )
    secure: bool = Field(default=True, description="Use HTTPS where an endpoint names no scheme.")
    skipverify: bool = Field(default=False, description="Accept any TLS certificate.")
    encrypt: bool = Field(
        default=False, description="Have OSS encrypt new objects, with AES256 or `encryptionkeyid`."
    )
    encryptionkeyid: str = Field(default="", description="Key of KMS for `encrypt`.")
    rootdirectory: str = Field(default="", description="Prefix of all keys in the bucket.")
    chunksize: int = Field(
        default=10 * MIB,
        ge=5 * MIB,
        le=1024 * MIB,
        description="Bytes of a part of a multipart upload, at first: parts grow with their "
        "number. Each transfer into the store holds up to three in memory.",
    )
    signatureversion: Literal[1, 4] = Field(
        default=4, description="Version of the signature: 4, or 1 as Distribution had it."
    )
    timeout: float = Field(
        default=20.0,
        gt=0,
        le=600,
        description="Seconds OSS may be silent before a request fails.",
    )
    retries: int = Field(
        default=4, ge=0, le=20, description="Times that a failed request is sent again."
    )

    @field_validator("region")
    @classmethod
    def _is_region(cls, region: str) -> str:
        """Without the prefix that Distribution's values have."""
        named = region.removeprefix("oss-").removesuffix("-internal")
        if not named or not named.replace("-", "").isalnum():
            raise ValueError("is a region's name, like cn-hangzhou; hosts go into `endpoint`")
        return named

    @field_validator("bucket")
    @classmethod
    def _is_bucket(cls, bucket: str) -> str:
        if "/" in bucket or "." in bucket:
            raise ValueError("is the bucket's name alone; folders go into `rootdirectory`")
        return bucket

    @field_validator("rootdirectory")
    @classmethod
    def _without_slashes(cls, folder: str) -> str:
        return folder.strip("/")

    @field_validator("endpoint", "redirectendpoint")
    @classmethod
    def _is_host(cls, endpoint: str) -> str:
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        if not endpoint:
            return endpoint
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be a host, like oss-cn-hangzhou.aliyuncs.com, or its URL")
        if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("must be scheme and host only")
        return endpoint.rstrip("/")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.accesskeyid) != bool(self.accesskeysecret.get_secret_value()):
            raise ValueError("accesskeyid and accesskeysecret belong together: give both or none")
        if self.securitytoken.get_secret_value() and not self.accesskeyid:
            raise ValueError("securitytoken belongs to an accesskeyid and an accesskeysecret")
        if self.ramrole and self.accesskeyid:
            raise ValueError("either accesskeyid or ramrole, not both")
        if self.encryptionkeyid and not self.encrypt:
            raise ValueError("encryptionkeyid has an effect only with encrypt: true")
        return self
