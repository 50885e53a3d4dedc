"""What the sections of `auth` may contain: Distribution's keys."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from entrepot.core.access import AuthenticatorOptions

Algorithm: TypeAlias = Literal[
    "EdDSA",
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "ES256",
    "ES384",
    "ES512",
    "PS256",
    "PS384",
    "PS512",
]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


def _printable(text: str) -> str:
    if not text:
        raise ValueError("it must not be empty")
    if not text.isprintable():
        raise ValueError("it goes into a header, so it has no line ends or control characters")
    return text


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and " " not in text
    except ValueError:
        return False


Text: TypeAlias = Annotated[str, AfterValidator(_printable)]


class SillyOptions(AuthenticatorOptions):
    """Options of `auth.silly`."""

    realm: Text = Field(description="What challenges say of where credentials are to be had.")
    service: Text = Field(description="Name of this registry in challenges.")


class HtpasswdOptions(AuthenticatorOptions):
    """Options of `auth.htpasswd`."""

    realm: Text = Field(description="What clients are told that the password is for.")
    path: Text = Field(
        description="File of names and bcrypt hashes as `htpasswd -B` writes it; changes are "
        "seen at once."
    )


class TokenOptions(AuthenticatorOptions):
    """Options of `auth.token`."""

    realm: Text = Field(
        description="URL of the token server, which clients are sent to; any text with "
        "`autoredirect`."
    )
    service: Text = Field(description="Name of this registry; tokens must be made for it.")
    issuer: Text = Field(description="Name of the token server; tokens must be made by it.")
    rootcertbundle: str = Field(
        default="",
        description="PEM file of the certificates of signing keys, or of their authorities; "
        "read again when it changes.",
    )
    jwks: str = Field(
        default="",
        description="JSON Web Key Set with the signing keys; read again when it changes.",
    )
    autoredirect: bool = Field(
        default=False,
        description="Send clients to `autoredirectpath` on the host they use for the registry.",
    )
    autoredirectpath: str = Field(
        default="/auth/token", description="Path of the token server with `autoredirect`."
    )
    signingalgorithms: tuple[Algorithm, ...] = Field(
        default=(), description="Algorithms that tokens may be signed with; all 13 if empty."
    )

    @field_validator("autoredirectpath")
    @classmethod
    def _is_path(cls, text: str) -> str:
        if not text:
            return "/auth/token"
        if not text.startswith("/") or not text.isprintable() or " " in text:
            raise ValueError("a path is wanted; write it like /auth/token")
        return text

    @model_validator(mode="after")
    def _sends_somewhere(self) -> TokenOptions:
        if not self.autoredirect and not _is_url(self.realm):
            raise ValueError("realm is no URL; write it like https://auth.example.com/token")
        return self

    @model_validator(mode="after")
    def _has_keys(self) -> TokenOptions:
        if not self.rootcertbundle and not self.jwks:
            raise ValueError("no signing key is trusted; name a file as rootcertbundle or jwks")
        return self
