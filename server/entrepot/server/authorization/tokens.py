"""Tokens that the registry issues itself. Sources: RFC 7519; Distribution, "Token Authentication".

Two kinds, neither of which is ever taken for the other: they differ in audience and in type.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from entrepot.core.access import Identity
from entrepot.server.authentication.claims import Expected, Grant, InvalidTokenError, granted
from entrepot.server.authentication.headers import LONGEST
from entrepot.server.authentication.signed import Signed
from entrepot.server.authorization.keys import ALGORITHM, SigningKeys
from entrepot.server.authorization.scopes import Resource

_ACCESS, _REFRESH = "JWT", "refresh+jwt"


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a refresh token says: who logged in, and the seal of the password they used."""

    user: str
    seal: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes and reads the tokens of one service; times are seconds since the epoch."""

    keys: SigningKeys
    issuer: str
    service: str
    lifetime: int  # seconds
    refresh_lifetime: int  # seconds

    def access(self, identity: Identity, resources: Sequence[Resource], now: float) -> str:
        """A token with which a client may do this."""
        access = [
            {"type": one.type, "name": one.name, "actions": list(one.actions)} for one in resources
        ]
        claims = {"sub": identity.name, "aud": self.service, "access": access}
        return self._signed(_ACCESS, claims, now, self.lifetime)

    def refresh(self, user: str, seal: str, now: float) -> str:
        """A token with which a user gets others, without the password."""
        claims = {"sub": user, "aud": self._refreshing, "seal": seal}
        return self._signed(_REFRESH, claims, now, self.refresh_lifetime)

    def read(self, token: str, moment: float) -> Grant:
        """What a token grants; it has to be good at `moment`. Raises InvalidTokenError."""
        payload = self._verified(token, _ACCESS, moment)
        return granted(payload, Expected(self.issuer, self.service), moment)

    def read_refresh(self, token: str, moment: float) -> Refresh:
        """What a refresh token says. Raises InvalidTokenError."""
        payload = self._verified(token, _REFRESH, moment)
        found = granted(payload, Expected(self.issuer, self._refreshing), moment)
        seal = json.loads(payload).get("seal")
        if not found.identity.name or not seal or not isinstance(seal, str):
            raise InvalidTokenError("it says of nobody who they are")
        return Refresh(found.identity.name, seal)

    @property
    def _refreshing(self) -> str:
        return f"{self.service} (refresh)"

    def _signed(self, kind: str, claims: dict[str, Any], now: float, lifetime: int) -> str:
        times = {"iat": int(now), "exp": int(now) + lifetime, "jti": secrets.token_urlsafe(12)}
        headers = {"typ": kind, "kid": self.keys.kid}
        whole = {"iss": self.issuer, **claims, **times}
        return jwt.encode(whole, self.keys.private, ALGORITHM, headers)

    def _verified(self, token: str, kind: str, moment: float) -> bytes:
        """The claims of a token of that kind which was signed by us, not yet looked at."""
        if len(token) > LONGEST:
            raise InvalidTokenError(f"longer than {LONGEST} bytes")
        signed = Signed.parse(token)
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise InvalidTokenError("its header is malformed") from None
        if header.keys() != {"typ", "alg", "kid"} or header["typ"] != kind:
            raise InvalidTokenError("of another kind")
        signed.verify(self.keys.trusted, frozenset({ALGORITHM}), moment)
        return signed.payload
