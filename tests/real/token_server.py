"""A token server of another make: it knows nothing of ours but the protocol.

alice gets what she asks for, the reader and those who do not say who they are may pull.
Source: Distribution, "Token Authentication Specification" and "Docker Registry v2
authentication using OAuth2".
"""

import base64
import json
import threading
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from tests.server.authentication.minting import Authority, minted, new_key, pem

__all__ = ["PASSWORDS", "TokenServer", "serve_tokens"]

PASSWORDS = {"alice": "s3cret", "reader": "r3ader"}
ISSUER, SERVICE = "another make", "registry of the tests"
Fields = Mapping[str, Sequence[str]]


class RefusedError(Exception):
    """Wrong credentials."""


@dataclass(slots=True)
class TokenServer:
    """A running token server. Each of its tokens lasts for so many seconds."""

    url: str
    bundle: Path
    lifetime: int = 300
    authority: Authority = field(default_factory=lambda: Authority("tokens", new_key("RS256")))
    refreshing: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[str] = field(default_factory=list[str])  # who asked for a token

    def __post_init__(self) -> None:
        self.bundle.write_bytes(pem(self.authority.certificate))

    @property
    def section(self) -> dict[str, object]:
        """What a registry that trusts it is configured with, below `auth`."""
        return {
            "token": {
                "realm": f"{self.url}/token",
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(self.bundle),
            }
        }

    def take_new_keys(self) -> None:
        """Sign with another key from now on, which registries find in the bundle."""
        self.authority = Authority("tokens", new_key("ES256"))
        following = self.bundle.with_suffix(".new")
        following.write_bytes(pem(self.authority.certificate))
        following.replace(self.bundle)

    def token(self, user: str, *scopes: str, lifetime: int | None = None) -> str:
        """A token for a user that allows as much of the scopes as that user may have."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "exp": now + (self.lifetime if lifetime is None else lifetime),
            "nbf": now - 100,
            "iat": now,
            "jti": str(uuid.uuid4()),
            "access": [each for scope in scopes for each in granted(user, scope)],
        }
        is_rsa = isinstance(self.authority.key, RSAPrivateKey)
        algorithm = "RS256" if is_rsa else "ES256"
        return minted(self.authority.key, algorithm, {"x5c": self.authority.x5c()}, claims)

    def answer(self, fields: Fields, authorization: str, *, posted: bool) -> dict[str, object]:
        """The answer to a request for a token. Raises RefusedError."""
        user = self._user(fields, authorization)
        self.asked.append(user)
        scopes = " ".join(fields.get("scope", ())).split()
        token = self.token(user, *scopes)
        body: dict[str, object] = {"access_token": token, "expires_in": self.lifetime}
        if not posted:
            body["token"] = token
        if fields.get("offline_token") or fields.get("access_type") == ["offline"]:
            body["refresh_token"] = str(uuid.uuid4())
            self.refreshing[str(body["refresh_token"])] = user
        return body

    def _user(self, fields: Fields, authorization: str) -> str:
        refresh = fields.get("refresh_token")
        if refresh:
            if refresh[0] not in self.refreshing:
                raise RefusedError
            return self.refreshing[refresh[0]]
        given = ":".join([*fields.get("username", ()), *fields.get("password", ())])
        if authorization:
            given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        user, _, password = given.partition(":")
        if user and PASSWORDS.get(user) != password:
            raise RefusedError
        return user


def granted(user: str, scope: str) -> list[dict[str, object]]:
    """The part of a scope that a user may have."""
    resource, _, wanted = scope.rpartition(":")
    kind, _, name = resource.partition(":")
    actions = [each for each in wanted.split(",") if user == "alice" or each == "pull"]
    return [{"type": kind, "name": name, "actions": actions}] if actions else []


@contextmanager
def serve_tokens(folder: Path) -> Generator[TokenServer, None, None]:
    """A token server on loopback while in the context; its certificates are in the folder."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(urlsplit(self.path).query, posted=False)

        def do_POST(self) -> None:
            size = int(self.headers.get("content-length", 0))
            self._answer(self.rfile.read(size).decode(), posted=True)

        def _answer(self, fields: str, *, posted: bool) -> None:
            try:
                authorization = self.headers.get("authorization", "")
                said: object = server.answer(parse_qs(fields), authorization, posted=posted)
                status = 200
            except RefusedError:
                status, said = 401, {"errors": [{"code": "UNAUTHORIZED", "message": "no"}]}
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        # by name: crane gets no tokens from an address of a private network
        server = TokenServer(f"http://localhost:{listening.server_port}", folder / "bundle.pem")
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
