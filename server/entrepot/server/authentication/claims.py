"""What a token says, checked against what it must say. Source: RFC 7519, Distribution's tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from entrepot.core.access import Access, Identity

LEEWAY = 60.0
"""Seconds that clocks may be apart."""

Allowed: TypeAlias = Mapping[tuple[str, str], frozenset[str]]
_NOTHING: frozenset[str] = frozenset()


class InvalidTokenError(Exception):
    """A token that is no good; `is_expired`: it was once, and nothing else is wrong with it."""

    def __init__(self, reason: str, *, is_expired: bool = False) -> None:
        super().__init__(reason)
        self.is_expired = is_expired


@dataclass(frozen=True, slots=True)
class Grant:
    """What a good token gives: to whom, what, and until when in seconds since the epoch."""

    identity: Identity
    allowed: Allowed
    until: float

    def covers_all(self, wanted: Sequence[Access]) -> bool:
        for access in wanted:  # once a request: a generator costs several times as much
            actions = self.allowed.get((access.type, access.name), _NOTHING)
            if access.action not in actions and "*" not in actions:
                return False
        return True


@dataclass(frozen=True, slots=True)
class Expected:
    """Who has to have made a token, and for whom."""

    issuer: str
    audience: str


_Time = Annotated[float, Field(ge=0, lt=2**53, allow_inf_nan=False)]


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True)

    type: str
    name: str
    actions: list[str] | None = None


class _Claims(BaseModel):
    """What of a token is looked at. Times are seconds since the epoch."""

    model_config = ConfigDict(strict=True)

    iss: str
    aud: str | list[str]
    sub: str | None = None
    exp: _Time
    nbf: _Time | None = None
    access: list[_Entry | None] | None = None


def granted(payload: bytes, expected: Expected, moment: float) -> Grant:
    """What a payload grants at `moment`.

    Raises InvalidTokenError: expiry is looked at last.
    """
    try:
        claims = _Claims.model_validate_json(payload)
    except ValidationError as error:
        wrong = sorted({str(each["loc"][0]) for each in error.errors() if each["loc"]})
        raise InvalidTokenError(f"malformed claims: {', '.join(wrong) or 'no JSON'}") from None
    if claims.iss != expected.issuer:
        raise InvalidTokenError(f"made by another issuer, {claims.iss[:100]!r}")
    if expected.audience not in ([claims.aud] if isinstance(claims.aud, str) else claims.aud):
        raise InvalidTokenError(f"made for another service, {str(claims.aud)[:100]!r}")
    if moment < (claims.nbf or 0) - LEEWAY:
        raise InvalidTokenError("not good yet")
    if moment > claims.exp + LEEWAY:
        raise InvalidTokenError("expired", is_expired=True)
    return Grant(Identity(claims.sub or ""), _allowed(claims), claims.exp + LEEWAY)


def _allowed(claims: _Claims) -> Allowed:
    allowed: dict[tuple[str, str], frozenset[str]] = {}
    for each in claims.access or ():
        if each is not None and each.actions:
            resource = each.type, each.name
            allowed[resource] = allowed.get(resource, frozenset()) | frozenset(each.actions)
    return allowed
