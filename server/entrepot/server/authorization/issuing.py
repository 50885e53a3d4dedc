"""Tokens that the registry issues itself: `auth.entrepot`."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from entrepot.core.access import (
    ANONYMOUS,
    Access,
    Asking,
    Authenticator,
    Identity,
    Rights,
    UnauthorizedError,
)
from entrepot.core.networks import networks_of
from entrepot.server.authentication import challenges
from entrepot.server.authentication.challenges import Refusal
from entrepot.server.authentication.claims import Grant, InvalidTokenError
from entrepot.server.authentication.headers import bearer_token
from entrepot.server.authentication.verified import Verified
from entrepot.server.authorization.endpoint import PATH, TokenEndpoint
from entrepot.server.authorization.failures import Failures
from entrepot.server.authorization.keys import SigningKeys, generated_keys, read_keys
from entrepot.server.authorization.options import IssuingOptions
from entrepot.server.authorization.passwords import open_passwords
from entrepot.server.authorization.paths import Handler
from entrepot.server.authorization.tokens import Tokens

_MOST_KEPT = 4096
_LOCAL = {"localhost", "127.0.0.1", "::1"}
_LOG = logging.getLogger("entrepot.server.authorization")


class Issuing(Authenticator):
    """Lets in who brings a token of our own; `paths` is where those are to be had.

    What everybody may do with a repository needs none.
    """

    def __init__(
        self, tokens: Tokens, rights: Rights, endpoint: TokenEndpoint, realm: str = ""
    ) -> None:
        self.paths: Mapping[str, Handler] = {PATH: endpoint}
        self._tokens = tokens
        self._rights = rights
        self._realm = realm
        self._verified: Verified[Grant] = Verified(_MOST_KEPT)

    def recall(self, authorization: str, wanted: Sequence[Access]) -> Identity | None:
        token = bearer_token(authorization)
        if token is None:
            return None
        grant = self._verified.get(self._verified.key(token.encode()), time.time())
        return grant.identity if grant is not None and grant.covers_all(wanted) else None

    async def authorize(self, asking: Asking, wanted: Sequence[Access]) -> Identity:
        if asking.authorization is None and self._is_for_everybody(wanted):
            return ANONYMOUS
        token = bearer_token(asking.authorization or "")
        if token is None:
            raise self._challenge(asking, wanted)
        try:
            grant = self._grant(token, asking.moment)
        except InvalidTokenError as error:
            _LOG.info("token refused: %s", error)
            raise self._challenge(
                asking, wanted, "invalid_token", is_expired=error.is_expired
            ) from None
        if not grant.covers_all(wanted):
            raise self._challenge(asking, wanted, "insufficient_scope")
        return grant.identity

    def _is_for_everybody(self, wanted: Sequence[Access]) -> bool:
        """Not so the catalogue, which shows each client something else."""
        return bool(wanted) and all(
            access.type == "repository" and self._rights.allows(ANONYMOUS, access)
            for access in wanted
        )

    def _grant(self, token: str, moment: float | None) -> Grant:
        if moment is not None:
            return self._tokens.read(token, moment)
        now = time.time()
        key = self._verified.key(token.encode())
        found = self._verified.get(key, now)
        if found is None:
            found = self._tokens.read(token, now)
            self._verified.put(key, found, found.until)
        return found

    def _challenge(
        self,
        asking: Asking,
        wanted: Sequence[Access],
        refusal: Refusal = "",
        *,
        is_expired: bool = False,
    ) -> UnauthorizedError:
        realm = self._realm or _here(asking)
        scope = challenges.scope_of(wanted)
        return challenges.bearer(realm, self._tokens.service, scope, refusal, is_expired=is_expired)


def _here(asking: Asking) -> str:
    """The token service as the client reaches it.

    Passwords go there, so nobody but a client on this machine is sent to plain HTTP who might
    have come by a proxy that speaks TLS and does not say so.
    """
    host = urlsplit(asking.base).netloc
    is_local = urlsplit(asking.base).hostname in _LOCAL
    base = asking.base if asking.is_told or is_local or not host else f"https://{host}"
    return f"{base}{asking.root}{PATH}"


@asynccontextmanager
async def open_issuing(
    options: IssuingOptions, rights: Rights
) -> AsyncGenerator[Authenticator, None]:
    """Raises ConfigurationError: if the file of users or a key cannot be used."""
    keys = _keys(options)
    async with open_passwords(options.htpasswd) as passwords:
        tokens = Tokens(
            keys,
            options.issuer,
            options.service,
            int(options.lifetime.seconds),
            int(options.refreshlifetime.seconds) if keys.are_shared else 0,
        )
        proxies = networks_of(options.trustedproxies)
        endpoint = TokenEndpoint(tokens, rights, passwords, Failures(), proxies)
        yield Issuing(tokens, rights, endpoint, options.realm)


def _keys(options: IssuingOptions) -> SigningKeys:
    if options.keys:
        return read_keys(options.keys)
    _LOG.warning(
        "auth.entrepot.keys: none, so tokens are good in this process alone; for replicas, and "
        "to keep clients logged in over a restart, make one with `entrepot auth key PATH`"
    )
    return generated_keys()
