"""Strict verification of OSS's signatures 4 and 1, in headers and in URLs.

Written from the vendor's reference, apart from the driver's own code: nothing of it is imported.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from calendar import timegm
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote

from oss_store import Refusal

_SKEW = 900  # seconds
_WEEK = 7 * 24 * 3600
_SUBRESOURCES = frozenset(
    {"acl", "append", "bucketInfo", "continuation-token", "delete", "location", "objectMeta"}
    | {"partNumber", "position", "response-content-disposition", "response-content-type"}
    | {"restore", "security-token", "stat", "symlink", "tagging", "uploadId", "uploads"}
    | {"versionId", "versioning", "versions"}
)


@dataclass(frozen=True)
class Account:
    """One pair of keys; a temporary one has a token. Times are in seconds since the epoch."""

    id: str
    secret: str
    token: str = ""
    ends: float = float("inf")


@dataclass(frozen=True)
class Signed:
    """What of a request is signed. `query` is as it was sent, in its order."""

    method: str
    bucket: str
    name: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]

    @property
    def resource(self) -> str:
        return f"/{self.bucket}/{self.name}" if self.bucket else "/"

    @property
    def asked(self) -> dict[str, str]:
        return {unquote(name): unquote(value) for name, value in self.query}


def verify(request: Signed, accounts: Sequence[Account], region: str) -> None:
    """Raises Refusal: unless the request is signed by one of the accounts, and for now."""
    asked = request.asked
    authorization = request.headers.get("authorization", "")
    if "x-oss-signature-version" in asked:
        _verify_link_4(request, asked, accounts, region)
    elif "Signature" in asked:
        _verify_link_1(request, asked, accounts)
    elif authorization.startswith("OSS4-HMAC-SHA256 "):
        _verify_4(request, authorization, accounts, region)
    elif authorization.startswith("OSS "):
        _verify_1(request, authorization, accounts)
    else:
        raise Refusal(403, "AccessDenied", "Anonymous access is forbidden for this operation.")


def _account(id_: str, token: str, accounts: Sequence[Account]) -> Account:
    for account in accounts:
        if account.id != id_:
            continue
        if account.token and account.ends < time.time():
            raise Refusal(
                403, "SecurityTokenExpired", "The security token you provided has expired."
            )
        if account.token != token:
            code = "InvalidSecurityToken" if token else "InvalidAccessKeyId"
            raise Refusal(403, code, "The security token you provided is invalid.")
        return account
    message = "The OSS Access Key Id you provided does not exist in our records."
    raise Refusal(403, "InvalidAccessKeyId", message)


def _same(given: str, right: str) -> None:
    if not hmac.compare_digest(given, right):
        message = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method."
        )
        raise Refusal(403, "SignatureDoesNotMatch", message)


def _in_time(moment: float) -> None:
    if abs(moment - time.time()) > _SKEW:
        message = "The difference between the request time and the current time is too large."
        raise Refusal(403, "RequestTimeTooSkewed", message)


# -- version 4 --------------------------------------------------------------------------


def _scope(credential: str, stamp: str, region: str) -> str:
    """The key's id. Raises Refusal: if the credential is for somewhere or sometime else."""
    id_, *scope = credential.split("/")
    if len(scope) != 4 or scope[0] != stamp[:8] or scope[2:] != ["oss", "aliyun_v4_request"]:
        raise Refusal(400, "InvalidArgument", "Invalid credential in Authorization header.")
    if scope[1] != region:
        message = f"Invalid signing region in Authorization header: it must be {region}."
        raise Refusal(400, "InvalidArgument", message)
    return id_


def _signature_4(
    request: Signed, account: Account, stamp: str, region: str, additional: Sequence[str]
) -> str:
    query = sorted((name, value) for name, value in request.query if name != "x-oss-signature")
    lines = ""
    for name, value in sorted(request.headers.items()):
        default = name.startswith("x-oss-") or name in {"content-type", "content-md5"}
        if default or name in additional:
            lines += f"{name}:{value.strip()}\n"
    canonical = "\n".join(
        [
            request.method,
            quote(request.resource, safe="/-_.~"),
            "&".join(f"{name}={value}" if value else name for name, value in query),
            lines,
            ";".join(additional),
            "UNSIGNED-PAYLOAD",
        ]
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    scope = f"{stamp[:8]}/{region}/oss/aliyun_v4_request"
    key = b"aliyun_v4" + account.secret.encode()
    for step in scope.split("/"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    text = f"OSS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _moment(stamp: str) -> float:
    try:
        return timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise Refusal(403, "AccessDenied", "Invalid x-oss-date.") from None


def _verify_4(
    request: Signed, authorization: str, accounts: Sequence[Account], region: str
) -> None:
    given = dict[str, str]()
    for part in authorization.partition(" ")[2].split(","):
        field, _, value = part.strip().partition("=")
        given[field] = value
    stamp = request.headers.get("x-oss-date", "")
    _in_time(_moment(stamp))
    if request.headers.get("x-oss-content-sha256") != "UNSIGNED-PAYLOAD":
        raise Refusal(400, "InvalidArgument", "x-oss-content-sha256 must be UNSIGNED-PAYLOAD.")
    id_ = _scope(given.get("Credential", ""), stamp, region)
    account = _account(id_, request.headers.get("x-oss-security-token", ""), accounts)
    additional = [name for name in given.get("AdditionalHeaders", "").split(";") if name]
    right = _signature_4(request, account, stamp, region, additional)
    _same(given.get("Signature", ""), right)


def _verify_link_4(
    request: Signed, asked: Mapping[str, str], accounts: Sequence[Account], region: str
) -> None:
    stamp, seconds = asked.get("x-oss-date", ""), asked.get("x-oss-expires", "")
    if not seconds.isdecimal() or not 0 < int(seconds) <= _WEEK:
        raise Refusal(400, "InvalidArgument", "x-oss-expires must be between 1 and 604800.")
    if _moment(stamp) + int(seconds) < time.time():
        raise Refusal(403, "AccessDenied", "Request has expired.")
    id_ = _scope(asked.get("x-oss-credential", ""), stamp, region)
    account = _account(id_, asked.get("x-oss-security-token", ""), accounts)
    additional = [name for name in asked.get("x-oss-additional-headers", "").split(";") if name]
    right = _signature_4(request, account, stamp, region, additional)
    _same(asked.get("x-oss-signature", ""), right)


# -- version 1 --------------------------------------------------------------------------


def _signature_1(request: Signed, account: Account, date: str) -> str:
    lines = "".join(
        f"{name}:{value.strip()}\n"
        for name, value in sorted(request.headers.items())
        if name.startswith("x-oss-")
    )
    chosen = sorted(
        (unquote(name), unquote(value))
        for name, value in request.query
        if unquote(name) in _SUBRESOURCES
    )
    listed = "&".join(f"{name}={value}" if value else name for name, value in chosen)
    text = "\n".join(
        [
            request.method,
            request.headers.get("content-md5", ""),
            request.headers.get("content-type", ""),
            date,
            lines + request.resource + (f"?{listed}" if listed else ""),
        ]
    )
    digest = hmac.new(account.secret.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _verify_1(request: Signed, authorization: str, accounts: Sequence[Account]) -> None:
    id_, _, given = authorization.removeprefix("OSS ").partition(":")
    date = request.headers.get("x-oss-date") or request.headers.get("date", "")
    try:
        _in_time(parsedate_to_datetime(date).timestamp())
    except ValueError:
        raise Refusal(403, "AccessDenied", "Invalid Date.") from None
    headers = request.headers
    token = headers.get("x-oss-security-token") or headers.get("security-token", "")
    account = _account(id_, token, accounts)
    _same(given, _signature_1(request, account, date))


def _verify_link_1(request: Signed, asked: Mapping[str, str], accounts: Sequence[Account]) -> None:
    ends = asked.get("Expires", "")
    if not ends.isdecimal() or int(ends) < time.time():
        raise Refusal(403, "AccessDenied", "Request has expired.")
    account = _account(asked.get("OSSAccessKeyId", ""), asked.get("security-token", ""), accounts)
    _same(asked["Signature"], _signature_1(request, account, ends))
