"""What the sections `auth.entrepot` and `auth.certificate` may contain."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from entrepot.core.access import AuthenticatorOptions
from entrepot.core.configuration import Duration
from entrepot.core.configuration.model_base import NetworkText

_MINUTE = Duration.parse("1m")
_DAY = Duration.parse("24h")
_OFF = Duration.parse("0s")


def _printable(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError("some text without line ends is wanted; it goes into a header")
    return text


def _web_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        good = False
    if text and not (good and text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("a URL is wanted; write it like https://registry.example.com/auth/token")
    return text


Word: TypeAlias = Annotated[str, AfterValidator(_printable)]


class IssuingOptions(AuthenticatorOptions):
    """Options of `auth.entrepot`: tokens that the registry issues itself."""

    htpasswd: Word = Field(
        description="File of users and bcrypt hashes, as `entrepot auth hash` writes them; "
        "changes are seen at once."
    )
    service: Word = Field(default="entrepot", description="Name of this registry in tokens.")
    issuer: Word = Field(default="entrepot", description="Name of the issuer in tokens.")
    keys: tuple[Word, ...] = Field(
        default=(),
        description="PEM files of P-256 keys: the first signs, all verify. Replicas and workers "
        "need the same; without any, each process makes one for itself.",
    )
    lifetime: Duration = Field(
        default=Duration.parse("5m"), description="How long a token is good; at least 1m."
    )
    refreshlifetime: Duration = Field(
        default=Duration.parse("2160h"),
        description="How long `docker login` lasts; 0: clients keep the password instead. "
        "It ends at once with a new password. Only with `keys`.",
    )
    realm: Annotated[str, AfterValidator(_web_url)] = Field(
        default="",
        description="URL of `/auth/token` as clients reach it, where neither their requests nor "
        "`http.host` tell it.",
    )

    trustedproxies: tuple[NetworkText, ...] = Field(
        default=(),
        description="Addresses and networks of proxies whose `X-Forwarded-For` says where failed "
        "logins come from, like 10.0.0.0/8.",
    )

    @field_validator("lifetime")
    @classmethod
    def _some_minutes(cls, duration: Duration) -> Duration:
        if not _MINUTE <= duration <= _DAY:
            raise ValueError("from 1m to 24h is wanted; clients count on a minute at least")
        return duration

    @field_validator("refreshlifetime")
    @classmethod
    def _not_negative(cls, duration: Duration) -> Duration:
        if duration < _OFF:
            raise ValueError("0 or more is wanted; write it like 720h")
        return duration


class CertificateOptions(AuthenticatorOptions):
    """Options of `auth.certificate`: users are known by their client certificates."""

    identity: Literal["subject", "alternative"] = Field(
        default="subject",
        description="What of a certificate is the user's name: `subject`, its common name; or "
        "`alternative`, the first of its alternative names.",
    )
