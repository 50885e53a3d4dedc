"""Letting somebody else read a blob: clients by a link, Azure itself when it copies."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient
from entrepot.drivers.azure.errors import unanswered
from entrepot.drivers.azure.names import Names

SCOPE = "https://storage.azure.com/.default"

_LOG = logging.getLogger(__name__)
_COPYING = 3600  # seconds that a source may be read for one copy
_KEY_LIFE = 86400.0  # seconds of a user delegation key; Azure gives seven days at most
_AGAIN = 600.0  # seconds after which a refused delegation key is asked for again

_SECONDS = 20.0  # in which there is a token or a key, or none


@dataclass(frozen=True, slots=True)
class Source:
    """Where Azure reads from, and how it may. Both hold secrets."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """What a shared access signature is made for."""

    account: str
    container: str
    names: Names

    def signed(self, key: str, seconds: float, **secret: Any) -> str:
        """The URL at which anybody may read one blob for a while."""
        https = self.names.url.startswith("https:")
        signature = generate_blob_sas(
            self.account,
            self.container,
            self.names.blob(key),
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + timedelta(seconds=seconds),
            protocol="https" if https else None,
            **secret,
        )
        return f"{self.names.blob_url(key)}?{signature}"


class Access(ABC):
    """What the registry's own credentials allow it to hand on."""

    @abstractmethod
    async def source(self, key: str) -> Source: ...

    @abstractmethod
    async def link(self, key: str, seconds: float) -> str | None:
        """A URL for GET and HEAD; None if these credentials cannot make one."""


class KeyAccess(Access):
    """By the account's key."""

    def __init__(self, place: Place, account_key: str) -> None:
        self._place = place
        self._account_key = account_key

    async def source(self, key: str) -> Source:
        return Source(self._place.signed(key, _COPYING, account_key=self._account_key))

    async def link(self, key: str, seconds: float) -> str | None:
        return self._place.signed(key, seconds, account_key=self._account_key)


class SignatureAccess(Access):
    """By a shared access signature, which is for nobody else: it may do more than read."""

    def __init__(self, names: Names, signature: str) -> None:
        self._names = names
        self._signature = signature

    async def source(self, key: str) -> Source:
        return Source(f"{self._names.blob_url(key)}?{self._signature}")

    async def link(self, key: str, seconds: float) -> str | None:
        return None


class TokenAccess(Access):
    """By Microsoft Entra: copies read by its token, links are signed with a delegation key."""

    def __init__(
        self, place: Place, client: BlobServiceClient, credential: AsyncTokenCredential
    ) -> None:
        self._place = place
        self._client = client
        self._credential = credential
        self._lock = asyncio.Lock()
        self._key: UserDelegationKey | None = None
        self._until = 0.0  # when the key, or the refusal of one, ends

    async def source(self, key: str) -> Source:
        try:
            async with asyncio.timeout(_SECONDS):
                token = await self._credential.get_token(SCOPE)
        except (AzureError, TimeoutError) as error:
            raise unanswered(key, error) from error
        headers = {"x-ms-copy-source-authorization": f"Bearer {token.token}"}
        return Source(self._place.names.blob_url(key), headers)

    async def link(self, key: str, seconds: float) -> str | None:
        delegated = await self._delegated(seconds)
        if delegated is None:
            return None
        return self._place.signed(key, seconds, user_delegation_key=delegated)

    async def _delegated(self, seconds: float) -> UserDelegationKey | None:
        """The key that signs for that long, or None where Azure refuses to give one."""
        async with self._lock:
            now = time.time()
            if now >= self._until if self._key is None else now + seconds >= self._until:
                await self._renew(now, seconds)
            return self._key

    async def _renew(self, now: float, seconds: float) -> None:
        end = now + max(_KEY_LIFE, 2 * seconds)
        try:
            async with asyncio.timeout(_SECONDS):
                self._key = await self._client.get_user_delegation_key(
                    datetime.fromtimestamp(now, UTC) - timedelta(minutes=5),
                    datetime.fromtimestamp(end, UTC),
                )
            self._until = end
        except (AzureError, TimeoutError) as error:
            self._key, self._until = None, now + _AGAIN
            _LOG.warning(
                "no links to blobs for ten minutes, clients are served by the registry: Azure gave "
                "no user delegation key (%s); the role Storage Blob Delegator is needed",
                type(error).__name__,
            )
