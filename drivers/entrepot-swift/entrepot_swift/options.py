"""What a configuration may say about Swift: Distribution 2's parameters, and a few more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from pydantic import Field, SecretStr, field_validator, model_validator

from entrepot.core import DriverOptions

MIB = 1024 * 1024
Method = Literal["GET", "HEAD", "PUT", "POST", "DELETE"]


class SwiftOptions(DriverOptions):
    """The account and how to get into it, the container, and how requests are sent."""

    authurl: str = Field(
        description="URL for getting a token: `https://keystone.example.com/v3`, or "
        "`https://swift.example.com/auth/v1.0` of Swift's own temporary tokens."
    )
    username: str = Field(default="", description="User name; `account:user` for version 1.")
    password: SecretStr = Field(default=SecretStr(""), description="The user's password.")
    container: str = Field(
        min_length=1,
        max_length=256,
        description="Container that holds everything; made if it is not there.",
    )
    tenant: str = Field(default="", description="Name of the project.")
    tenantid: str = Field(default="", description="Its id, instead of its name.")
    domain: str = Field(default="", description="Name of the user's domain (version 3).")
    domainid: str = Field(default="", description="Its id, instead of its name.")
    tenantdomain: str = Field(
        default="", description="Name of the project's domain, if it is not the user's."
    )
    tenantdomainid: str = Field(default="", description="Its id, instead of its name.")
    trustid: str = Field(default="", description="Id of a trust that the user acts by (version 3).")
    applicationcredentialid: str = Field(
        default="",
        description="Id of an application credential, instead of user and password (version 3).",
    )
    applicationcredentialsecret: SecretStr = Field(default=SecretStr(""), description="Its secret.")
    region: str = Field(
        default="", description="Region of the catalogue to use; by default the first one."
    )
    authversion: Literal[0, 1, 2, 3] = Field(
        default=0,
        description="Version of the identity service; 0: as `v1`, `v2` or `v3` in `authurl` says.",
    )
    prefix: str = Field(default="", description="Name before all objects.")
    endpointtype: Literal["public", "internal", "admin"] = Field(
        default="public", description="Which of the catalogue's endpoints the registry uses."
    )
    insecureskipverify: bool = Field(default=False, description="Accept any TLS certificate.")
    chunksize: int = Field(
        default=20 * MIB,
        ge=MIB,
        le=1024 * MIB,
        description="Bytes of a segment. What is larger becomes a static large object; each "
        "transfer into the store holds one segment in memory.",
    )
    secretkey: SecretStr = Field(
        default=SecretStr(""),
        description="Key of temporary URLs. By default the one that is set at the container or "
        "the account, else one made out of the credentials.",
    )
    accesskey: SecretStr = Field(
        default=SecretStr(""),
        description="Access key in temporary URLs, for clouds that sign with one.",
    )
    tempurlcontainerkey: bool = Field(
        default=False,
        description="Keep the key of temporary URLs at the container, not at the account. Counts "
        "only where the cluster does not say what it can.",
    )
    tempurlmethods: tuple[Method, ...] = Field(
        default=(),
        description="Methods for which temporary URLs work. Counts only where the cluster does "
        "not say what it can.",
    )
    redirectendpoint: str = Field(
        default="",
        description="Scheme and host that clients are sent to. By default those of the public "
        "endpoint.",
    )
    timeout: float = Field(
        default=30.0, gt=0, description="Seconds a server may be silent before a request fails."
    )
    retries: int = Field(
        default=4, ge=0, le=20, description="Times that a failed request is sent again."
    )

    @field_validator("authurl", "redirectendpoint")
    @classmethod
    def _is_url(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("begins with http:// or https://")
        return url.rstrip("/")

    @field_validator("container")
    @classmethod
    def _is_name(cls, name: str) -> str:
        if "/" in name:
            raise ValueError("is a name without `/`; folders go into `prefix`")
        return name

    @field_validator("tempurlmethods", mode="before")
    @classmethod
    def _in_capitals(cls, given: object) -> object:
        """Distribution takes them so; a variable has them as text."""
        if isinstance(given, str):
            return tuple(each.strip().upper() for each in given.split(","))
        if isinstance(given, list | tuple):
            return tuple(str(each).upper() for each in cast("Sequence[object]", given))
        return given

    @model_validator(mode="after")
    def _is_somebody(self) -> SwiftOptions:
        if self.applicationcredentialid:
            if self.username or self.password.get_secret_value():
                raise ValueError("either a user or an application credential, not both")
            if self.version != 3:
                raise ValueError("application credentials are of version 3")
        elif not (self.username and self.password.get_secret_value()):
            raise ValueError("username and password are needed, or an application credential")
        return self

    @property
    def version(self) -> int:
        """Of the identity service; 0 if neither `authversion` nor `authurl` says it."""
        if self.authversion:
            return self.authversion
        found = [number for number in (3, 2, 1) if f"v{number}" in self.authurl]
        return found[0] if found else 0
