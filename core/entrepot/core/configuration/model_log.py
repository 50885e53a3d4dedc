"""The `log` section."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from entrepot.core.configuration.addresses import Address
from entrepot.core.configuration.model_base import (
    Level,
    SecretText,
    Section,
    Values,
    Variable,
    lower,
)

HookLevel: TypeAlias = Annotated[
    Literal["panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"],
    BeforeValidator(lower),
]


class AccessLog(Section):
    """The log of requests, one line each."""

    disabled: bool = False
    """Write no access log."""
    formatter: Literal["combined", "json"] = "combined"
    """Form of a line."""


class Smtp(Section):
    """The server that takes a hook's mail."""

    addr: str = ""
    """Host and port of the mail server."""
    username: str = ""
    """User name at the mail server."""
    password: SecretText = ""
    """Password at the mail server."""
    insecure: bool = False
    """Do not encrypt, and send the password all the same."""

    @field_validator("addr")
    @classmethod
    def _address(cls, text: str) -> str:
        return str(Address.parse(text)) if text else text


class MailOptions(Section):
    """Whom a hook writes to."""

    smtp: Smtp = Smtp()
    """The mail server."""
    from_: Annotated[str, Field(alias="from")] = ""
    """Sender of the mail."""
    to: tuple[str, ...] = ()
    """Receivers of the mail."""


class Hook(Section):
    """Something that is told of log lines."""

    type: str = ""
    """Kind of the hook; Distribution has `mail` only."""
    disabled: bool = False
    """Leave this hook out."""
    levels: tuple[HookLevel, ...] = ()
    """Levels of the lines that it is told of."""
    options: Annotated[MailOptions, Variable("MAILOPTIONS")] = MailOptions()
    """Options of the hook."""

    @property
    def is_mail(self) -> bool:
        """Whether it is of the one kind that there is."""
        return self.type == "mail"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        options = self.options
        needed = {
            "options.smtp.addr": options.smtp.addr,
            "options.from": options.from_,
            "options.to": options.to,
        }
        missing = [key for key, value in needed.items() if not value]
        if self.is_mail and not self.disabled and missing:
            raise ValueError(f"mail needs {', '.join(missing)}; or set `disabled: true`")
        return self


class Log(Section):
    """What is logged, and how."""

    level: Level = "info"
    """The least important lines that are written."""
    formatter: Literal["text", "json", "logstash"] = "text"
    """Form of a line."""
    fields: Values = Field(default_factory=dict[str, Any])
    """Constant fields of every line."""
    reportcaller: bool = False
    """Name the place in the source in every line."""
    accesslog: AccessLog = AccessLog()
    """The log of requests."""
    hooks: tuple[Hook, ...] = ()
    """What is told of log lines."""
