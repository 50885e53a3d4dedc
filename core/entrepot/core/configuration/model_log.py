"""The `log` section."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from entrepot.core.configuration.model_base import Level, SecretText, Section, Values, Variable


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
    """Distribution knows the key and does not use it."""


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
    levels: tuple[str, ...] = ()
    """Levels of the lines that it is told of."""
    options: Annotated[MailOptions, Variable("MAILOPTIONS")] = MailOptions()
    """Options of the hook."""


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
