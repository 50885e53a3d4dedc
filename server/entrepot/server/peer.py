"""Another registry, read by its HTTP API: where what this store lost may still be.

Source: distribution-spec 1.1, "Pulling"; Distribution's "Token Authentication Specification".
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx2

from entrepot.core.errors import ConfigurationError
from entrepot.core.manifest import (
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    MEDIA_TYPES,
)
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.scrubbing.sources import SourceError

USER, PASSWORD = "ENTREPOT_FROM_USER", "ENTREPOT_FROM_PASSWORD"

_CHUNK = 1024 * 1024
_SECONDS = 60.0  # without a byte
_HOPS = 5
_TOKEN = 1024 * 1024  # bytes of a token server's answer
_ACCEPT = ", ".join([*sorted(MEDIA_TYPES), DOCKER_SCHEMA1_SIGNED, DOCKER_SCHEMA1])
_PARAMETER = re.compile(r'([a-z_]+)="([^"]*)"', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of another registry; never shown."""

    user: str
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        pair = f"{self.user}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


def address_of(text: str) -> httpx2.URL:
    """The URL of a registry, like `https://registry.example`.

    Raises ConfigurationError: without repeating what may be a secret.
    """
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        raise ConfigurationError("--from: that is no URL") from None
    if url.userinfo:
        reason = f"user and password do not belong into a URL; set {USER} and {PASSWORD}"
        raise ConfigurationError(f"--from: {reason}, or use --from-auth")
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        raise ConfigurationError("--from: write a URL like https://registry.example")
    return url


def credentials_of(
    url: httpx2.URL, environ: Mapping[str, str], file: Path | None
) -> Credentials | None:
    """Whom to be at a registry: by the file, one as `docker login` writes, or the environment.

    Raises ConfigurationError: naming the file, none of what is in it.
    """
    if file is None:
        user = environ.get(USER)
        return Credentials(user, environ.get(PASSWORD, "")) if user else None
    host = url.netloc.decode("ascii")
    try:
        listed: Any = json.loads(file.read_bytes())["auths"]
        found: Any = next(
            listed[name] for name in (host, f"{url.scheme}://{host}", url.host) if name in listed
        )
        if "auth" not in found:
            return Credentials(str(found["username"]), str(found["password"]))
        user, _, password = base64.b64decode(found["auth"]).decode().partition(":")
        return Credentials(user, password)
    except StopIteration:
        raise ConfigurationError(f"--from-auth: {file} has no credentials for {host}") from None
    except OSError as error:
        raise ConfigurationError(f"--from-auth: {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, binascii.Error):
        reason = 'it is not like {"auths": {"HOST": {"auth": "…"}}}'
        raise ConfigurationError(f"--from-auth: {file}: {reason}") from None


@asynccontextmanager
async def open_peer(url: httpx2.URL, credentials: Credentials | None) -> AsyncGenerator[Peer, None]:
    """The registry at a URL; nothing is asked of it yet."""
    trusted = await asyncio.to_thread(httpx2.create_ssl_context)
    async with httpx2.AsyncClient(
        verify=trusted,
        timeout=_SECONDS,
        follow_redirects=True,  # to another host without the credentials
        max_redirects=_HOPS,
        headers={"User-Agent": f"entrepot/{version('entrepot')}", "Accept-Encoding": "identity"},
    ) as client:
        yield Peer(client, url, credentials)


class Peer:
    """A registry that is asked for single blobs and manifests."""

    needs_repository = True

    def __init__(
        self, client: httpx2.AsyncClient, url: httpx2.URL, credentials: Credentials | None
    ) -> None:
        self._client = client
        self._url = url
        self._credentials = credentials
        self._authorized: dict[str, str] = {}

    def blob(self, name: RepositoryName | None, digest: Digest) -> AsyncGenerator[bytes, None]:
        """Bytes of a blob, unverified. Raises SourceError."""
        return self._get(name, f"blobs/{digest}", "*/*")

    def manifest(self, name: RepositoryName | None, digest: Digest) -> AsyncGenerator[bytes, None]:
        """Bytes of a manifest, unverified. Raises SourceError."""
        return self._get(name, f"manifests/{digest}", _ACCEPT)

    async def _get(
        self, name: RepositoryName | None, path: str, accept: str
    ) -> AsyncGenerator[bytes, None]:
        assert name is not None  # as `needs_repository` says
        url = self._url.join(f"{self._url.path.rstrip('/')}/v2/{name}/{path}")
        try:
            answer = await self._send(name.text, url, accept)
            if answer.status_code == 401:
                challenges = answer.headers.get_list("www-authenticate")
                await answer.aclose()
                self._authorized[name.text] = await self._authorize(name.text, challenges)
                answer = await self._send(name.text, url, accept)
            try:
                _check(answer.status_code, self._url.host)
                async for chunk in answer.aiter_raw(_CHUNK):
                    yield chunk
            finally:
                await answer.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:  # its text may hold a signed URL
            raise SourceError(f"{self._url.host}: {type(error).__name__}") from None

    async def _send(self, name: str, url: httpx2.URL, accept: str) -> httpx2.Response:
        headers = {"Accept": accept}
        if name in self._authorized:
            headers["Authorization"] = self._authorized[name]
        request = self._client.build_request("GET", url, headers=headers)
        return await self._client.send(request, stream=True)

    async def _authorize(self, name: str, challenges: list[str]) -> str:
        """The header that a registry asks for."""
        for challenge in challenges:
            scheme, _, rest = challenge.strip().partition(" ")
            if scheme.lower() == "bearer":
                parameters = {key.lower(): value for key, value in _PARAMETER.findall(rest)}
                return f"Bearer {await self._token(name, parameters)}"
        if self._credentials is None:
            raise SourceError(f"{self._url.host} wants a user; set {USER} and {PASSWORD}")
        return self._credentials.header

    async def _token(self, name: str, parameters: dict[str, str]) -> str:
        realm = self._url.join(parameters.get("realm", ""))
        if self._url.scheme == "https" != realm.scheme:
            raise SourceError(f"{self._url.host} wants a token from a place that is not https")
        asked = {"service": parameters.get("service", ""), "scope": f"repository:{name}:pull"}
        headers = {"Authorization": self._credentials.header} if self._credentials else {}
        answer = await self._client.get(
            realm.copy_merge_params({key: value for key, value in asked.items() if value}),
            headers=headers,
        )
        if answer.status_code != 200:
            raise SourceError(f"{realm.host} gave no token but status {answer.status_code}")
        try:
            found: Any = json.loads(answer.content[:_TOKEN])
            return str(found.get("token") or found["access_token"])
        except (ValueError, KeyError, AttributeError):
            raise SourceError(f"{realm.host} gave no token") from None


def _check(status: int, host: str) -> None:
    if status == 404:
        raise SourceError(f"{host} does not have it")
    if status in {401, 403}:
        raise SourceError(f"{host} refuses it with status {status}")
    if status != 200:
        raise SourceError(f"{host} answered with status {status}")
