"""Signed links, by a key at hand or by Google's own signer."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from entrepot.core.threads import Threads
from entrepot.drivers.gcs.google import has_key, signed
from entrepot.drivers.gcs.names import Names

_LONGEST = 7 * 24 * 3600  # seconds, by the rules of V4 signatures
_REMEMBERED = 4096  # links; about 3 MiB
_RELENT = 300.0  # seconds after a failure in which nothing is signed


class Links:
    """Makes links to `origin`, and keeps those that cost a request for half their life."""

    def __init__(self, credentials: Any, names: Names, origin: str, threads: Threads) -> None:
        self._credentials = credentials
        self._names = names
        self._origin = origin
        self._threads = threads
        self._is_local = has_key(credentials)
        self._made: OrderedDict[tuple[str, str, int], tuple[str, float]] = OrderedDict()
        self._refused_until = 0.0

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        """None where nobody can sign, or the signer has just refused: then it is streamed."""
        seconds = max(1, min(seconds, _LONGEST))
        if self._is_local:
            return self._sign(key, method, seconds)
        now = asyncio.get_running_loop().time()
        url, good_until = self._made.get((key, method, seconds), ("", 0.0))
        if now < good_until:
            return url
        if now < self._refused_until or _account(self._credentials) is None:
            return None
        try:
            made = await self._threads.run(self._sign, key, method, seconds)
        except Exception:
            self._refused_until = now + _RELENT
            return None
        self._made[key, method, seconds] = made, now + seconds / 2
        self._made.move_to_end((key, method, seconds))
        if len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)
        return made

    def _sign(self, key: str, method: str, seconds: int) -> str:
        """A V4 link. Source: Google Cloud, "Signatures", "Canonical requests"."""
        account = _account(self._credentials)
        now = datetime.now(UTC)
        scope = f"{now:%Y%m%d}/auto/storage/goog4_request"
        path = f"/{self._names.bucket}/{quote(self._names.name(key), safe='/~')}"
        query = {
            "X-Goog-Algorithm": "GOOG4-RSA-SHA256",
            "X-Goog-Credential": f"{account}/{scope}",
            "X-Goog-Date": f"{now:%Y%m%dT%H%M%SZ}",
            "X-Goog-Expires": str(seconds),
            "X-Goog-SignedHeaders": "host",
        }
        text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        host = urlsplit(self._origin).netloc
        request = f"{method}\n{path}\n{text}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        hashed = hashlib.sha256(request.encode()).hexdigest()
        wanted = f"GOOG4-RSA-SHA256\n{query['X-Goog-Date']}\n{scope}\n{hashed}"
        signature = signed(self._credentials, account, wanted.encode()).hex()
        return f"{self._origin}{path}?{text}&X-Goog-Signature={signature}"


def _account(credentials: Any) -> str | None:
    """The service account in whose name can be signed; "default" is not told yet."""
    email = getattr(credentials, "service_account_email", None)
    return str(email) if email and email != "default" else None
