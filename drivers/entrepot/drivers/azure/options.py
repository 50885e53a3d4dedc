"""What a configuration's `storage.azure` section may contain."""

from __future__ import annotations

import base64
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from entrepot.core import DriverOptions
from entrepot.core.configuration.durations import Duration

Kind = Literal["shared_key", "client_secret", "default_credentials"]

_ACCOUNT = r"^[a-zA-Z0-9-]*$"
_FORMS = (
    {"accountname", "accountkey"},
    {"blobendpoint", "sharedaccesssignature"},
    {"usedevelopmentstorage"},
)
_CONTAINER = r"^(\$root|[a-z0-9](-?[a-z0-9]){2,62})$"


class AzureCredentials(BaseModel):
    """Who the registry is to Azure. Distribution 2.x has no such section: `shared_key`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: Kind = Field(
        default="shared_key",
        description="`shared_key`: the account's key; `client_secret`: an application of "
        "Microsoft Entra; `default_credentials`: what the machine, the workload or the "
        "environment offers (managed identity, workload identity, AZURE_CLIENT_ID …).",
    )
    clientid: str = Field(default="", description="The application's ID, for `client_secret`.")
    tenantid: str = Field(default="", description="The directory's ID, for `client_secret`.")
    secret: SecretStr = Field(
        default=SecretStr(""), description="The application's secret, for `client_secret`."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        fields = {"clientid": self.clientid, "tenantid": self.tenantid, "secret": self.secret}
        given = [name for name, value in fields.items() if value]
        if self.type == "client_secret" and len(given) < len(fields):
            missing = ", ".join(name for name in fields if name not in given)
            raise ValueError(f"type 'client_secret' needs {missing}, too")
        if self.type != "client_secret" and given:
            raise ValueError(f"{', '.join(given)} is for type 'client_secret', not {self.type!r}")
        return self


class AzureOptions(DriverOptions):
    """Parameters of the azure driver: Distribution's of 2.x and 3.x, and a few more."""

    accountname: str = Field(
        default="",
        pattern=_ACCOUNT,
        description="The storage account. Required, unless `connectionstring` names it.",
    )
    accountkey: SecretStr = Field(
        default=SecretStr(""), description="One of the account's keys, for `shared_key`."
    )
    container: str = Field(
        pattern=_CONTAINER, description="The container; it must exist, nothing creates it."
    )
    credentials: AzureCredentials = Field(
        default_factory=AzureCredentials,
        description="How the registry proves who it is; without it, by `accountkey`.",
    )
    realm: str = Field(
        default="core.windows.net",
        min_length=1,
        description="The cloud's domain, for example `core.chinacloudapi.cn`.",
    )
    serviceurl: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="The blob service's URL, if it is not `https://<accountname>.blob.<realm>`.",
    )
    connectionstring: SecretStr = Field(
        default=SecretStr(""),
        description="Account, key or shared access signature and URL in one, as the portal "
        "shows it. Distribution has this key and never reads it; here it has effect, and "
        "`accountname`, `accountkey`, `serviceurl` and `credentials` must not stand beside it.",
    )
    rootdirectory: str = Field(
        default="", description="A folder in the container under which everything lies."
    )
    legacyrootprefix: bool | None = Field(
        default=None,
        description="True: blobs are named `/docker/…`, as Distribution 2.x names them; false: "
        "`docker/…`, as 3.x does. Not given: seen from what the container has.",
    )
    trimlegacyrootprefix: bool | None = Field(
        default=None,
        description="The opposite of `legacyrootprefix`, as older GitLab registries spell it.",
    )
    timeout: Duration = Field(
        default=Duration.parse("1m"),
        description="How long one try of a request waits for Azure's answer; no further try "
        "begins when a minute is over.",
    )
    max_retries: int = Field(
        default=5, ge=0, le=20, description="How often a failed request is tried again."
    )
    retry_delay: Duration = Field(
        default=Duration.parse("100ms"),
        description="The pause before the first new try; each further one is twice as long.",
    )
    maxconcurrency: int = Field(
        default=64,
        ge=1,
        le=1000,
        description="Requests to Azure at a time, of one worker; four times as many reads.",
    )
    skipverify: bool = Field(
        default=False, description="True: the server's TLS certificate is not checked."
    )

    @field_validator("timeout")
    @classmethod
    def _some_time(cls, timeout: Duration) -> Duration:
        if timeout.nanoseconds <= 0:
            raise ValueError("wanted is some time, like 30s")
        return timeout

    @field_validator("accountkey")
    @classmethod
    def _is_base64(cls, key: SecretStr) -> SecretStr:
        try:
            base64.b64decode(key.get_secret_value(), validate=True)
        except ValueError:
            raise ValueError("the key of a storage account is base64 text") from None
        return key

    @field_validator("connectionstring")
    @classmethod
    def _has_what_is_needed(cls, text: SecretStr) -> SecretStr:
        parts = [part.split("=", 1) for part in text.get_secret_value().split(";") if part]
        names = {part[0].lower() for part in parts if len(part) == 2}
        if parts and not any(form <= names for form in _FORMS):
            raise ValueError(
                "wanted is AccountName=…;AccountKey=… or BlobEndpoint=…;SharedAccessSignature=…"
            )
        return text

    @model_validator(mode="after")
    def _without_contradictions(self) -> Self:
        if self.connectionstring.get_secret_value():
            self._check_alone()
        elif not self.accountname:
            raise ValueError("accountname is required, or a connectionstring that names it")
        elif self.credentials.type == "shared_key" and not self.accountkey.get_secret_value():
            raise ValueError(
                "accountkey is required for credentials of type 'shared_key', which is the default"
            )
        elif self.credentials.type != "shared_key" and self.accountkey.get_secret_value():
            raise ValueError(
                f"accountkey is for credentials of type 'shared_key', not {self.credentials.type!r}"
            )
        self._check_layout()
        return self

    def _check_alone(self) -> None:
        beside = {"accountname", "accountkey", "serviceurl", "credentials"} & self.model_fields_set
        if beside:
            raise ValueError(
                f"connectionstring says it all: {', '.join(sorted(beside))} must not be given, too"
            )

    def _check_layout(self) -> None:
        if None not in {self.legacyrootprefix, self.trimlegacyrootprefix} and (
            self.legacyrootprefix == self.trimlegacyrootprefix
        ):
            raise ValueError(
                "legacyrootprefix and trimlegacyrootprefix say opposite things: drop one"
            )
        if self.legacy and self.rootdirectory.strip("/"):
            raise ValueError("legacyrootprefix is for an empty rootdirectory")

    @property
    def legacy(self) -> bool | None:
        """Whether blobs are named with a slash in front; None: to be seen."""
        if self.trimlegacyrootprefix is not None:
            return not self.trimlegacyrootprefix
        return self.legacyrootprefix

    @property
    def url(self) -> str:
        """The blob service's URL; empty if the connection string tells."""
        if self.connectionstring.get_secret_value():
            return ""
        return self.serviceurl.rstrip("/") or f"https://{self.accountname}.blob.{self.realm}"
