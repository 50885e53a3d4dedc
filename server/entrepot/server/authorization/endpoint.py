"""The token service: `/auth/token`.

Sources: Distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".
"""

from __future__ import annotations

import hmac
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope

from entrepot.core.access import ANONYMOUS, Identity, Rights
from entrepot.core.networks import Network
from entrepot.server.account import account
from entrepot.server.authentication.claims import InvalidTokenError
from entrepot.server.authentication.headers import LONGEST, Credentials, basic_credentials
from entrepot.server.authorization import scopes
from entrepot.server.authorization.addresses import client_address
from entrepot.server.authorization.failures import Failures
from entrepot.server.authorization.passwords import Passwords
from entrepot.server.authorization.tokens import Tokens
from entrepot.server.authorization.turns import Turns
from entrepot.server.body import chunks

PATH = "/auth/token"

_LARGEST_FORM = 64 * 1024  # bytes
_IDLE = 30.0  # seconds in which something of a form has to come
_MOST_FIELDS = 200
_AT_A_TIME = 4  # passwords verified; what a guesser may overrun the limit by
_MOST_WAITING = 64  # for their turn to be verified
_FORM = "application/x-www-form-urlencoded"


class _RefusalError(Exception):
    """An answer that is no token; `error` is RFC 6749's word for it, `code` the registry's."""

    def __init__(self, status: int, code: str, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.error = error
        self.message = message
        self.headers: dict[str, str] = {}

    def response(self) -> Response:
        body = {
            "errors": [{"code": self.code, "message": self.message}],
            "error": self.error,
            "error_description": self.message,
        }
        return _json(self.status, body, self.headers)


@dataclass(frozen=True, slots=True)
class _Form:
    """The fields of a request, of its query or its body."""

    fields: list[tuple[str, str]]

    @classmethod
    def parse(cls, text: str) -> _Form:
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise _invalid(f"more than {_MOST_FIELDS} parameters") from None
        return cls(pairs)

    def one(self, name: str) -> str:
        """The value of a field; empty if it is not there."""
        values = {value for key, value in self.fields if key == name}
        if len(values) > 1:
            raise _invalid(f"{name} is given more than once")
        return values.pop() if values else ""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Answers requests for tokens: never more than `rights` allow."""

    tokens: Tokens
    rights: Rights
    passwords: Passwords
    failures: Failures
    proxies: Sequence[Network] = ()
    _turns: Turns = field(default_factory=lambda: Turns(_AT_A_TIME, _MOST_WAITING), init=False)

    async def __call__(self, scope: Scope, receive: Receive) -> Response:
        """The answer to GET and POST; others get 405.

        Raises BusyError: if too many wait for their password to be verified; ClientDisconnect.
        """
        account(scope).kind = "token"
        try:
            if scope["method"] == "GET":
                return await self._get(scope)
            if scope["method"] == "POST":
                return await self._post(scope, await _form(scope, receive))
            raise _method()
        except _RefusalError as refusal:
            seen = account(scope)
            seen.error, seen.message = refusal.code, refusal.message
            return refusal.response()

    async def _get(self, scope: Scope) -> Response:
        form = _Form.parse(scope["query_string"].decode("latin-1"))
        identity = ANONYMOUS
        header = Headers(scope=scope).get("authorization")
        if header is not None:
            given = basic_credentials(header)
            if given is None:
                raise self._unauthorized("a user name and a password are wanted, as Basic")
            identity = await self._logged_in(scope, given)
        wants_refresh = form.one("offline_token") == "true"
        return self._answer(scope, form, identity, wants_refresh=wants_refresh)

    async def _post(self, scope: Scope, form: _Form) -> Response:
        kind = form.one("grant_type")
        if kind == "password":
            given = Credentials(form.one("username"), form.one("password"))
            identity = await self._logged_in(scope, given)
            wants_refresh = form.one("access_type") == "offline"
            return self._answer(scope, form, identity, wants_refresh=wants_refresh)
        if kind == "refresh_token":
            identity = self._refreshed(scope, form.one("refresh_token"))
            return self._answer(scope, form, identity, wants_refresh=False)
        told = "grant_type is password or refresh_token"
        raise _RefusalError(400, "UNSUPPORTED", "unsupported_grant_type", told)

    async def _logged_in(self, scope: Scope, given: Credentials) -> Identity:
        """Who has this password; clients without one send an empty one of nobody."""
        if not given.user and not given.password:
            return ANONYMOUS
        address = client_address(scope, self.proxies)
        self._check_failures(address, given.user)
        async with self._turns.take():
            self._check_failures(address, given.user)
            if not await self.passwords.verify(given.user, given.password):
                self.failures.add(address, given.user, time.monotonic())
                raise self._unauthorized("wrong user name or password")
        return Identity(given.user)

    def _refreshed(self, scope: Scope, token: str) -> Identity:
        try:
            found = self.tokens.read_refresh(token, time.time())
        except InvalidTokenError:
            raise self._unauthorized("log in again: this refresh token is not good") from None
        seal = self.passwords.seal(found.user)
        if not hmac.compare_digest(seal.encode(), found.seal.encode()):
            raise self._unauthorized("log in again: the password is another one now")
        return Identity(found.user)

    def _check_failures(self, address: str, user: str) -> None:
        seconds = self.failures.wait(address, user, time.monotonic())
        if seconds > 0:
            told = "too many logins failed; wait before the next one"
            refusal = _RefusalError(429, "TOOMANYREQUESTS", "temporarily_unavailable", told)
            refusal.headers["Retry-After"] = str(math.ceil(seconds))
            raise refusal

    def _answer(
        self, scope: Scope, form: _Form, identity: Identity, *, wants_refresh: bool
    ) -> Response:
        service = form.one("service")
        if service and service != self.tokens.service:
            raise _invalid(f"tokens are for the service {self.tokens.service!r} only")
        account(scope).user = identity.name
        try:
            wanted = scopes.parsed(form.all("scope"))
        except ValueError as error:
            raise _invalid(str(error)) from None
        now = time.time()
        granted = scopes.granted(wanted, self.rights, identity)
        token = self.tokens.access(identity, granted, now)
        if len(token) > LONGEST:
            raise _invalid("a token for all of this would be too long; ask for less")
        answer: dict[str, object] = {
            "token": token,
            "access_token": token,
            "expires_in": self.tokens.lifetime,
            "issued_at": datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "scope": " ".join(map(str, granted)),
        }
        if wants_refresh and identity.name and self.tokens.refresh_lifetime:
            seal = self.passwords.seal(identity.name)
            answer["refresh_token"] = self.tokens.refresh(identity.name, seal, now)
        return _json(200, answer)

    def _unauthorized(self, message: str) -> _RefusalError:
        refusal = _RefusalError(401, "UNAUTHORIZED", "invalid_grant", message)
        refusal.headers["WWW-Authenticate"] = f'Basic realm="{self.tokens.service}"'
        return refusal


def _method() -> _RefusalError:
    refusal = _RefusalError(405, "UNSUPPORTED", "invalid_request", "GET or POST is wanted")
    refusal.headers["Allow"] = "GET, POST"
    return refusal


def _invalid(message: str) -> _RefusalError:
    return _RefusalError(400, "UNSUPPORTED", "invalid_request", message)


async def _form(scope: Scope, receive: Receive) -> _Form:
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise _RefusalError(415, "UNSUPPORTED", "invalid_request", f"{_FORM} is wanted")
    body = bytearray()
    async for chunk in chunks(receive, _IDLE):
        body += chunk
        if len(body) > _LARGEST_FORM:
            told = f"the form is larger than {_LARGEST_FORM} bytes"
            raise _RefusalError(413, "SIZE_INVALID", "invalid_request", told)
    return _Form.parse(body.decode("latin-1"))


def _json(status: int, body: object, headers: dict[str, str] | None = None) -> Response:
    always = {"Cache-Control": "no-store"}
    content = json.dumps(body).encode() + b"\n"
    return Response(content, status, always | (headers or {}), media_type="application/json")
