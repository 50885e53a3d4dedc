"""Tokens of a token server, as docker and all other clients ask it for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from entrepot.core.access import Access, Asking, Authenticator, Identity, UnauthorizedError
from entrepot.core.errors import ConfigurationError
from entrepot.server.authentication import challenges
from entrepot.server.authentication.challenges import Refusal
from entrepot.server.authentication.claims import Expected, Grant, InvalidTokenError, granted
from entrepot.server.authentication.headers import LONGEST, bearer_token
from entrepot.server.authentication.keys import Keys, parse_bundle, parse_jwks
from entrepot.server.authentication.options import ALGORITHMS, TokenOptions
from entrepot.server.authentication.signed import Signed
from entrepot.server.authentication.verified import Verified
from entrepot.server.authentication.watching import Watched

_MOST_KEPT = 4096
_BETWEEN_LOOKS = 1.0  # seconds
_LOG = logging.getLogger("entrepot.server.authentication")


class TrustedKeys:
    """The keys of files, and new ones once those change."""

    def __init__(self, files: Sequence[Watched[Keys]]) -> None:
        self._files = files
        self._looked = time.monotonic()
        self.keys = self._joined()

    def look(self, *, now: bool = False) -> bool:
        """Whether there are new keys; looks once a second, or `now`."""
        if not now and time.monotonic() - self._looked < _BETWEEN_LOOKS:
            return False
        self._looked = time.monotonic()
        changed = [file.look() for file in self._files]
        if any(changed):
            self.keys = self._joined()
        return any(changed)

    def _joined(self) -> Keys:
        """Of two keys of one name, that of the last file counts, as in Distribution."""
        by_id = {name: key for file in self._files for name, key in file.value.by_id.items()}
        return Keys(by_id, [each for file in self._files for each in file.value.authorities])


class Token(Authenticator):
    """Lets in who brings a token that says so."""

    def __init__(self, options: TokenOptions, trusted: TrustedKeys) -> None:
        self._options = options
        self._trusted = trusted
        self._algorithms = frozenset(options.signingalgorithms or ALGORITHMS)
        self._expected = Expected(options.issuer, options.service)
        self._verified: Verified[Grant] = Verified(_MOST_KEPT)

    def recall(self, authorization: str, wanted: Sequence[Access]) -> Identity | None:
        if len(authorization) > LONGEST:
            return None
        if self._trusted.look():
            self._verified.clear()
        key = self._verified.key(authorization.encode("latin-1", "replace"))
        grant = self._verified.get(key, time.time())
        return grant.identity if grant is not None and grant.covers_all(wanted) else None

    async def authorize(self, asking: Asking, wanted: Sequence[Access]) -> Identity:
        try:
            grant = self._grant(asking.authorization or "", asking.moment)
        except InvalidTokenError as error:
            _LOG.info("token refused: %s", error)
            raise self._challenge(
                asking, wanted, "invalid_token", is_expired=error.is_expired
            ) from None
        if grant is None:
            raise self._challenge(asking, wanted)
        if not grant.covers_all(wanted):
            raise self._challenge(asking, wanted, "insufficient_scope")
        return grant.identity

    def _grant(self, header: str, moment: float | None) -> Grant | None:
        """What a header's token grants; None if there is no token in it."""
        if self._trusted.look():
            self._verified.clear()
        now = time.time()
        key = self._key(header)
        found = self._verified.get(key, now) if moment is None else None
        if found is not None:
            return found
        token = bearer_token(header)
        if token is None:
            return None
        if len(header) > LONGEST:
            raise InvalidTokenError(f"longer than {LONGEST} bytes")
        grant = self._checked(token, now if moment is None else moment)
        if moment is None:
            self._verified.put(key, grant, grant.until)
        return grant

    def _key(self, header: str) -> bytes:
        return self._verified.key(header[: LONGEST + 1].encode("latin-1", "replace"))

    def _checked(self, token: str, moment: float) -> Grant:
        signed = Signed.parse(token)
        try:
            until = signed.verify(self._trusted.keys, self._algorithms, moment)
        except InvalidTokenError:
            if not self._trusted.look(now=True):
                raise
            self._verified.clear()  # the token server has new keys
            until = signed.verify(self._trusted.keys, self._algorithms, moment)
        grant = granted(signed.payload, self._expected, moment)
        return Grant(grant.identity, grant.allowed, min(grant.until, until))

    def _challenge(
        self,
        asking: Asking,
        wanted: Sequence[Access],
        refusal: Refusal = "",
        *,
        is_expired: bool = False,
    ) -> UnauthorizedError:
        scope = challenges.scope_of(wanted)
        service = self._options.service
        realm = self._realm(asking)
        return challenges.bearer(realm, service, scope, refusal, is_expired=is_expired)

    def _realm(self, asking: Asking) -> str:
        """Where tokens are to be had.

        Nobody is sent to plain HTTP who might have come by a proxy that speaks TLS.
        """
        host = urlsplit(asking.base).netloc
        if not self._options.autoredirect or not host:
            return self._options.realm
        base = asking.base if asking.is_told else f"https://{host}"
        return base + self._options.autoredirectpath


def opened(options: TokenOptions) -> Token:
    """Raises ConfigurationError: if the keys cannot be read, or there are none."""
    files = [
        _watched(name, path, parse)
        for name, path, parse in (
            ("rootcertbundle", options.rootcertbundle, parse_bundle),
            ("jwks", options.jwks, parse_jwks),
        )
        if path
    ]
    return Token(options, TrustedKeys(files))


def _watched(name: str, path: str, parse: Callable[[bytes], Keys]) -> Watched[Keys]:
    key = f"auth.token.{name}"
    try:
        return Watched(key, path, parse)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"{key}: {path} cannot be used: {reason}") from None
