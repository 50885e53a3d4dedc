"""Signatures of OSS: version 4, and 1. Headers of a request, and links.

Source: help.aliyun.com/en/oss/developer-reference, "Include a V4 signature in the Authorization
header", "Add V4 signatures to URLs", "Include signatures in the Authorization header" (V1) and
"Add signatures to URLs" (V1).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from urllib.parse import quote

from entrepot_oss.credentials import Keys
from entrepot_oss.places import Place

_ALGORITHM = "OSS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_SUFFIX = "aliyun_v4_request"
_LONGEST = 7 * 24 * 3600  # seconds that a link of version 4 may last
# Parameters that are part of what version 1 signs, of those that this driver sends.
_SUBRESOURCES = frozenset(
    {"continuation-token", "delete", "partNumber", "security-token"}
    | {"uploadId", "uploads", "versioning"}
)


def query_of(parameters: Mapping[str, str]) -> str:
    """Parameters as they are sent and signed, in order; those without a value without `=`."""
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parameters.items()
    )
    return "&".join(f"{name}={value}" if value else name for name, value in pairs)


class Signer(ABC):
    """`headers` have lower-case names. `moment` is in seconds since the epoch."""

    @abstractmethod
    def sign(
        self,
        method: str,
        place: Place,
        name: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        keys: Keys,
        moment: float,
    ) -> dict[str, str]:
        """The headers with those of the signature."""

    @abstractmethod
    def link(
        self, method: str, place: Place, name: str, keys: Keys, moment: float, seconds: int
    ) -> str:
        """A URL that is good for one method for so long, with any Range."""


class SignerV4(Signer):
    def sign(
        self,
        method: str,
        place: Place,
        name: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        keys: Keys,
        moment: float,
    ) -> dict[str, str]:
        result = dict(headers)
        result["x-oss-content-sha256"] = _UNSIGNED
        result["x-oss-date"] = stamp = _stamp(moment)
        if keys.token:
            result["x-oss-security-token"] = keys.token
        scope = _scope(place, stamp)
        signature = _signature(method, place, name, query_of(query), result, keys, stamp)
        result["authorization"] = f"{_ALGORITHM} Credential={keys.id}/{scope},Signature={signature}"
        return result

    def link(
        self, method: str, place: Place, name: str, keys: Keys, moment: float, seconds: int
    ) -> str:
        stamp = _stamp(moment)
        parameters = {
            "x-oss-signature-version": _ALGORITHM,
            "x-oss-credential": f"{keys.id}/{_scope(place, stamp)}",
            "x-oss-date": stamp,
            "x-oss-expires": str(min(seconds, _LONGEST)),
        }
        if keys.token:
            parameters["x-oss-security-token"] = keys.token
        query = query_of(parameters)
        signature = _signature(method, place, name, query, {}, keys, stamp)
        return place.url(name, f"{query}&x-oss-signature={signature}")


class SignerV1(Signer):
    def sign(
        self,
        method: str,
        place: Place,
        name: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        keys: Keys,
        moment: float,
    ) -> dict[str, str]:
        result = dict(headers)
        result["date"] = formatdate(moment, usegmt=True)
        if keys.token:
            result["x-oss-security-token"] = keys.token
        signature = _signature_1(method, place, name, query, result, keys, result["date"])
        result["authorization"] = f"OSS {keys.id}:{signature}"
        return result

    def link(
        self, method: str, place: Place, name: str, keys: Keys, moment: float, seconds: int
    ) -> str:
        ends = str(int(moment) + seconds)
        parameters = {"security-token": keys.token} if keys.token else {}
        signature = _signature_1(method, place, name, parameters, {}, keys, ends)
        parameters |= {"OSSAccessKeyId": keys.id, "Expires": ends, "Signature": signature}
        return place.url(name, query_of(parameters))


def signer_of(version: int) -> Signer:
    return SignerV4() if version == 4 else SignerV1()


def _stamp(moment: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))


def _scope(place: Place, stamp: str) -> str:
    return f"{stamp[:8]}/{place.region}/oss/{_SUFFIX}"


def _signature(
    method: str,
    place: Place,
    name: str,
    query: str,
    headers: Mapping[str, str],
    keys: Keys,
    stamp: str,
) -> str:
    lines = "".join(
        f"{each}:{headers[each].strip()}\n" for each in sorted(headers) if _signed(each)
    )
    resource = quote(place.resource(name), safe="/-_.~")
    canonical = f"{method}\n{resource}\n{query}\n{lines}\n\n{_UNSIGNED}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{stamp}\n{_scope(place, stamp)}\n{digest}"
    return hmac.digest(_key(keys.secret, stamp[:8], place.region), text.encode(), "sha256").hex()


def _signed(name: str) -> bool:
    return name.startswith("x-oss-") or name in {"content-type", "content-md5"}


@lru_cache(maxsize=8)
def _key(secret: str, day: str, region: str) -> bytes:
    key = f"aliyun_v4{secret}".encode()
    for text in (day, region, "oss", _SUFFIX):
        key = hmac.digest(key, text.encode(), "sha256")
    return key


def _signature_1(
    method: str,
    place: Place,
    name: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    keys: Keys,
    date: str,
) -> str:
    """Version 1, of unquoted texts."""
    lines = "".join(f"{each}:{headers[each]}\n" for each in sorted(headers) if each[:6] == "x-oss-")
    chosen = sorted((each, value) for each, value in query.items() if each in _SUBRESOURCES)
    listed = "&".join(f"{each}={value}" if value else each for each, value in chosen)
    resource = place.resource(name) + (f"?{listed}" if listed else "")
    md5, kind = headers.get("content-md5", ""), headers.get("content-type", "")
    text = f"{method}\n{md5}\n{kind}\n{date}\n{lines}{resource}"
    return base64.b64encode(hmac.digest(keys.secret.encode(), text.encode(), "sha1")).decode()
