"""Our signatures are botocore's."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from entrepot.drivers.s3.signing import UNSIGNED, Place, link, query_of, signed

AUTH: Any = import_module("botocore.auth")  # which is not typed
REQUEST: Any = import_module("botocore.awsrequest")
CREDENTIALS: Any = import_module("botocore.credentials")
MOMENT = "20260102T030405Z"
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
CHARACTERS = st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\x7f")
TEXT = st.text(CHARACTERS, min_size=1, max_size=20)
KEYS = st.text(st.sampled_from("abcXYZ019-._/ ~+%&=ü"), min_size=1, max_size=40)


@dataclass(frozen=True)
class Given:
    access_key: str
    secret_key: str
    token: str | None


HEADERS = st.dictionaries(
    st.sampled_from(["range", "x-amz-meta-a", "if-match", "content-md5", "x-amz-acl"]),
    st.text(st.sampled_from("abc019=-*\"'"), min_size=1, max_size=20),
)
KEYSETS = st.builds(
    Given,
    st.text(st.sampled_from("AKIA019"), min_size=4, max_size=20),
    TEXT,
    st.none() | st.text(st.sampled_from("abcXYZ019/+="), min_size=1, max_size=40),
)
PLACES = st.builds(
    Place,
    st.just("https"),
    st.sampled_from(["b.s3.eu-west-1.amazonaws.com", "127.0.0.1:9000"]),
    st.sampled_from(["/", "/bucket/"]),
    st.sampled_from(["us-east-1", "eu-west-1"]),
)


def now(**_: object) -> dt.datetime:
    return NOW


def unsigned(_request: object) -> bool:
    return False


def frozen() -> Any:
    return patch.multiple(AUTH, get_current_datetime=now)


@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"]),
    place=PLACES,
    key=KEYS,
    query=st.dictionaries(TEXT, st.text(CHARACTERS, max_size=20), max_size=4),
    headers=HEADERS,
    keys=KEYSETS,
)
def test_headers_are_signed_as_botocore_signs(
    method: str,
    place: Place,
    key: str,
    query: dict[str, str],
    headers: dict[str, str],
    keys: Given,
) -> None:
    path, text = place.path_of(key), query_of(query)
    ours = signed(method, place, path, text, headers, UNSIGNED, keys, MOMENT)

    request = REQUEST.AWSRequest(
        method, f"{place.scheme}://{place.host}{path}?{text}".rstrip("?"), headers=dict(headers)
    )
    request.headers["X-Amz-Content-SHA256"] = UNSIGNED
    request.context["payload_signing_enabled"] = False
    request.context["client_config"] = None
    credentials = CREDENTIALS.Credentials(keys.access_key, keys.secret_key, keys.token)
    with frozen():
        auth = AUTH.S3SigV4Auth(credentials, "s3", place.region)
        auth._should_sha256_sign_payload = unsigned
        auth.add_auth(request)
    assert ours["authorization"] == request.headers["Authorization"]


@given(
    method=st.sampled_from(["GET", "HEAD"]),
    place=PLACES,
    key=KEYS,
    keys=KEYSETS,
    seconds=st.integers(1, 604800),
)
def test_links_are_signed_as_botocore_signs(
    method: str, place: Place, key: str, keys: Given, seconds: int
) -> None:
    path = place.path_of(key)
    ours = link(method, place, path, keys, MOMENT, seconds)

    request = REQUEST.AWSRequest(method, f"{place.scheme}://{place.host}{path}")
    credentials = CREDENTIALS.Credentials(keys.access_key, keys.secret_key, keys.token)
    with frozen():
        auth = AUTH.S3SigV4QueryAuth(credentials, "s3", place.region, expires=seconds)
        auth.add_auth(request)
    assert ours.partition("&X-Amz-Signature=")[2] == request.url.partition("&X-Amz-Signature=")[2]
