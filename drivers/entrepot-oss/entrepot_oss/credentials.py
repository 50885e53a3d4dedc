"""Who signs: keys of the configuration, of the environment, or of the instance's RAM role."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import httpx2

from entrepot.core import AccessError, StorageError, UnavailableError
from entrepot_oss.options import OssOptions

_METADATA = "http://100.100.100.200/latest"
_TIMEOUT = 5.0  # seconds; the service is on the same machine
_EARLY = 300.0  # seconds before their end in which keys are renewed
_NAMES = (
    ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
    (
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "ALIBABA_CLOUD_SECURITY_TOKEN",
    ),
)


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials at one moment; `ends` is in seconds since the epoch."""

    id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    ends: float = float("inf")


class Credentials(Protocol):
    async def keys(self) -> Keys:
        """Keys that are good now.

        Raises AccessError: if there are none; UnavailableError: if whoever gives them does not
        answer.
        """
        ...

    def refuse(self, keys: Keys) -> bool:
        """OSS does not take these any more; whether others may be had."""
        ...


class Lasting:
    """Keys that do not change."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def keys(self) -> Keys:
        return self._keys

    def refuse(self, keys: Keys) -> bool:
        return False


class InstanceRole:
    """Keys of the role that an ECS instance has, from its metadata service."""

    def __init__(self, http: httpx2.AsyncClient, role: str, url: str = _METADATA) -> None:
        self._http = http
        self._role = role
        self._url = url
        self._keys: Keys | None = None
        self._failure: StorageError | None = None
        self._tries = 0
        self._alone = asyncio.Lock()

    async def keys(self) -> Keys:
        """Whoever needs keys while some are being got waits for those, and for their failure."""
        tries = self._tries
        async with self._alone:
            if self._keys is not None and time.time() < self._keys.ends - _EARLY:
                return self._keys
            if tries != self._tries and self._failure is not None:
                raise copy(self._failure)  # each raised error gets a traceback of its own
            try:
                self._keys = await self._asked()
            except StorageError as failure:
                self._failure = failure
                raise
            finally:
                self._tries += 1
            self._failure = None
            return self._keys

    def refuse(self, keys: Keys) -> bool:
        if self._keys is keys:
            self._keys = None
        return True

    async def _asked(self) -> Keys:
        try:
            async with asyncio.timeout(_TIMEOUT):
                answer = await self._http.get(
                    f"{self._url}/meta-data/ram/security-credentials/{self._role}",
                    headers=await self._session(),
                )
        except (httpx2.HTTPError, TimeoutError) as error:
            raise UnavailableError("", "the instance's metadata service does not answer") from error
        if answer.status_code != 200:
            reason = f"the instance has no RAM role {self._role!r}: see `ramrole`"
            raise AccessError("", reason)
        return _read(answer)

    async def _session(self) -> dict[str, str]:
        """What a hardened metadata service wants to see; any other refuses to give it."""
        asked = {"X-aliyun-ecs-metadata-token-ttl-seconds": "60"}
        answer = await self._http.put(f"{self._url}/api/token", headers=asked)
        if answer.status_code != 200:
            return {}
        return {"X-aliyun-ecs-metadata-token": answer.text}


def lasting(options: OssOptions, environ: Mapping[str, str]) -> Lasting:
    """The keys of the configuration, else those of the environment.

    Raises AccessError: if neither has any.
    """
    if options.accesskeyid:
        secret, token = options.accesskeysecret, options.securitytoken
        keys = Keys(options.accesskeyid, secret.get_secret_value(), token.get_secret_value())
        return Lasting(keys)
    for id_, secret_name, token_name in _NAMES:
        if environ.get(id_) and environ.get(secret_name):
            return Lasting(Keys(environ[id_], environ[secret_name], environ.get(token_name, "")))
    raise AccessError(
        "",
        "no credentials for OSS: give accesskeyid and accesskeysecret, ramrole, or the variables "
        "OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
    )


def _read(answer: httpx2.Response) -> Keys:
    try:
        said: Any = answer.json()
        return Keys(
            said["AccessKeyId"],
            said["AccessKeySecret"],
            said["SecurityToken"],
            datetime.fromisoformat(said["Expiration"]).timestamp(),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UnavailableError("", "the metadata service gives no credentials") from error
