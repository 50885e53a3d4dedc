"""Keystone's versions 2 and 3, and the tokens of Swift's own that version 1 gives."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx2

KEYSTONE = "http://keystone.test"
PASSWORD = "a secret"


class KeystoneFake:
    """Knows one user and one project. `life` is of a token, in seconds."""

    def __init__(self, account: str) -> None:
        self.life = 3600.0
        self.asked: list[Any] = []  # the bodies of all requests, or their headers
        self.down = False
        self.wants_api_key = False  # version 2, as at Rackspace
        self._account = account
        self._tokens: dict[str, float] = {}

    def knows(self, token: str) -> bool:
        return self._tokens.get(token, 0.0) > time.time()

    def forget(self) -> None:
        """End all tokens before their time."""
        self._tokens.clear()

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if self.down:
            return httpx2.Response(503)
        answers = {
            "/auth/v1.0": self._first,
            "/v2.0/tokens": self._second,
            "/v3/auth/tokens": self._third,
        }
        answer = answers.get(request.url.path)
        return answer(request) if answer else httpx2.Response(404)

    def _token(self) -> tuple[str, str]:
        token, ends = uuid.uuid4().hex, time.time() + self.life
        self._tokens[token] = ends
        return token, datetime.fromtimestamp(ends, UTC).isoformat().replace("+00:00", "Z")

    def _first(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(dict(request.headers))
        if request.headers.get("X-Auth-Key") != PASSWORD:
            return httpx2.Response(401)
        token, _ = self._token()
        headers = {"X-Auth-Token": token, "X-Storage-Url": self._account}
        return httpx2.Response(
            200, headers={**headers, "X-Auth-Token-Expires": str(int(self.life))}
        )

    def _second(self, request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(request.content)["auth"]
        self.asked.append(asked)
        kind, secret = "passwordCredentials", "password"
        if self.wants_api_key:
            kind, secret = "RAX-KSKEY:apiKeyCredentials", "apiKey"
        if kind not in asked:
            return httpx2.Response(401 if self.wants_api_key else 400)
        if asked[kind] != {"username": "someone", secret: PASSWORD}:
            return httpx2.Response(401, json={"error": {"message": "no"}})
        token, ends = self._token()
        said = {
            "token": {"id": token, "expires": ends, "tenant": {"id": "project-id"}},
            "serviceCatalog": [
                {"type": "compute", "endpoints": [{"publicURL": "http://no.test"}]},
                {
                    "type": "object-store",
                    "endpoints": [
                        {"region": "far", "publicURL": "http://far.test/v1/AUTH_project"},
                        {
                            "region": "here",
                            "publicURL": "https://public.test/v1/AUTH_project",
                            "internalURL": self._account,
                        },
                    ],
                },
            ],
        }
        return httpx2.Response(200, json={"access": said})

    def _third(self, request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(request.content)["auth"]
        self.asked.append(asked)
        identity = asked["identity"]
        user = identity.get("password", {}).get("user", {})
        credential = identity.get("application_credential", {})
        if PASSWORD not in (user.get("password"), credential.get("secret")):
            return httpx2.Response(401, json={"error": {"message": "no"}})
        token, ends = self._token()
        endpoints = [
            {"interface": "public", "region": "far", "url": "http://far.test/v1/AUTH_project"},
            {"interface": "admin", "region": "here", "url": "http://admin.test/v1"},
            {"interface": "public", "region": "here", "url": self._account},
            {"interface": "internal", "region_id": "here", "url": self._account},
        ]
        if "scope" not in asked and not credential:
            endpoints = []
        catalog = [{"type": "object-store", "endpoints": endpoints}]
        said = {"expires_at": ends, "catalog": catalog, "project": {"id": "project-id"}}
        return httpx2.Response(201, json={"token": said}, headers={"X-Subject-Token": token})
