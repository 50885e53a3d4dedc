"""AWS signature 4 for the service S3: headers of a request, and links.

Source: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote

UNSIGNED = "UNSIGNED-PAYLOAD"
_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"


class Keys(Protocol):
    """Credentials at one moment, as botocore freezes them."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bucket is and what signatures are made out to."""

    scheme: str
    host: str  # with the port, if it is not the scheme's own
    path: str  # before the key, as sent: `/` or `/bucket/`
    region: str
    service: str = "s3"

    def path_of(self, key: str) -> str:
        return self.path + quote(key, safe="/" + _UNRESERVED)


def query_of(parameters: Mapping[str, str]) -> str:
    """Parameters as they are sent and signed."""
    pairs = sorted(
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in parameters.items()
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


def signed(
    method: str,
    place: Place,
    path: str,
    query: str,
    headers: Mapping[str, str],
    payload: str,
    keys: Keys,
    moment: str,
) -> dict[str, str]:
    """The headers with those of the signature.

    Names are lower case, values without outer spaces. `payload` is the content's SHA-256 or
    UNSIGNED, `moment` UTC as `20260102T030405Z`.
    """
    result = dict(headers, host=place.host)
    result["x-amz-content-sha256"] = payload
    result["x-amz-date"] = moment
    if keys.token:
        result["x-amz-security-token"] = keys.token
    names = sorted(result)
    lines = "".join([f"{name}:{result[name]}\n" for name in names])
    listed = ";".join(names)
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{payload}"
    scope, signature = _signature(canonical, place, keys, moment)
    result["authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key}/{scope}, "
        f"SignedHeaders={listed}, Signature={signature}"
    )
    return result


def link(method: str, place: Place, path: str, keys: Keys, moment: str, seconds: int) -> str:
    """A URL that is good for one method, for `seconds` from `moment`, with any Range."""
    scope = _scope(place, moment)
    parameters = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{keys.access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    if keys.token:
        parameters["X-Amz-Security-Token"] = keys.token
    query = query_of(parameters)
    canonical = f"{method}\n{path}\n{query}\nhost:{place.host}\n\nhost\n{UNSIGNED}"
    signature = _signature(canonical, place, keys, moment)[1]
    return f"{place.scheme}://{place.host}{path}?{query}&X-Amz-Signature={signature}"


def _scope(place: Place, moment: str) -> str:
    return f"{moment[:8]}/{place.region}/{place.service}/aws4_request"


def _signature(canonical: str, place: Place, keys: Keys, moment: str) -> tuple[str, str]:
    scope = _scope(place, moment)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}"
    key = _key(keys.secret_key, moment[:8], place.region, place.service)
    return scope, hmac.digest(key, text.encode(), "sha256").hex()


@lru_cache(maxsize=8)
def _key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for text in (day, region, service, "aws4_request"):
        key = hmac.digest(key, text.encode(), "sha256")
    return key
