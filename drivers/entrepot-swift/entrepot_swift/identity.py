"""Tokens: what Swift itself and both versions of Keystone are asked, and what they answer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import httpx2

from entrepot.core import AccessError
from entrepot_swift.options import SwiftOptions

_SERVICE = "object-store"
_MARGIN = 60.0  # seconds before its end at which a token is renewed at the latest


@dataclass(frozen=True, slots=True)
class Access:
    """A token, where the account is for us and for clients, and when to get another."""

    token: str = field(repr=False)
    url: str  # of the account
    public: str  # of the account, as clients reach it
    tenant: str  # its id, if the identity service said so
    fresh: float  # until when to use it, in seconds since the epoch; for ever if nobody said so

    @property
    def is_fresh(self) -> bool:
        return time.time() < self.fresh


@dataclass(frozen=True, slots=True)
class Question:
    """The request that gets a token."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    json: object = field(default=None, repr=False)


def questions(options: SwiftOptions) -> Sequence[Question]:
    """What to ask at `authurl`, and what else if that is refused."""
    if options.version == 1:
        named = {"X-Auth-User": options.username, "X-Auth-Key": _password(options)}
        return [Question("GET", options.authurl, named)]
    if options.version == 2:
        url = f"{options.authurl}/tokens"
        return [Question("POST", url, json={"auth": each}) for each in _second(options)]
    base = options.authurl.removesuffix("/auth")  # with which Distribution's pages have it
    return [Question("POST", f"{base}/auth/tokens", json={"auth": _third(options)})]


def answered(options: SwiftOptions, response: httpx2.Response) -> Access:
    """The access that an answer grants.

    Raises AccessError: if there is no object store in it, or none in that region.
    """
    try:
        if options.version == 1:
            return _from_first(options, response)
        said = cast("dict[str, Any]", response.json())
        if options.version == 2:
            return _from_second(options, said["access"])
        return _from_third(options, said["token"], response.headers["X-Subject-Token"])
    except (KeyError, TypeError, ValueError, AttributeError):
        reason = f"{options.authurl}: this is no answer of version {options.version}"
        raise AccessError("", f"{reason}; see `authurl` and `authversion`") from None


def _password(options: SwiftOptions) -> str:
    return options.password.get_secret_value()


def _second(options: SwiftOptions) -> Sequence[object]:
    """With a password, and with the same as the key of an API, which Rackspace wants."""
    name, secret = options.username, _password(options)
    tenant = _given({"tenantName": options.tenant, "tenantId": options.tenantid})
    return [
        {"passwordCredentials": {"username": name, "password": secret}} | tenant,
        {"RAX-KSKEY:apiKeyCredentials": {"username": name, "apiKey": secret}} | tenant,
    ]


def _third(options: SwiftOptions) -> object:
    if options.applicationcredentialid:
        secret = options.applicationcredentialsecret.get_secret_value()
        credential = {"id": options.applicationcredentialid, "secret": secret}
        method = "application_credential"
        return {"identity": {"methods": [method], method: credential}}  # which has its own scope
    user = {
        "name": options.username,
        "password": _password(options),
        "domain": _domain(options.domain, options.domainid),
    }
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = _scope(options)
    return {"identity": identity} | ({"scope": scope} if scope else {})


def _scope(options: SwiftOptions) -> dict[str, object]:
    if options.trustid:
        return {"OS-TRUST:trust": {"id": options.trustid}}
    if options.tenantid:
        return {"project": {"id": options.tenantid}}
    if not options.tenant:
        return {}
    own = options.tenantdomain or options.tenantdomainid
    domain = (
        _domain(options.tenantdomain, options.tenantdomainid)
        if own
        else _domain(options.domain, options.domainid)
    )
    return {"project": {"name": options.tenant, "domain": domain}}


def _domain(name: str, id_: str) -> dict[str, str]:
    if name:
        return {"name": name}
    return {"id": id_} if id_ else {"name": "Default"}


def _given(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


def _from_first(options: SwiftOptions, response: httpx2.Response) -> Access:
    url = response.headers["X-Storage-Url"].rstrip("/")
    seconds = response.headers.get("X-Auth-Token-Expires", "")
    fresh = _fresh(time.time() + float(seconds)) if seconds.isdecimal() else float("inf")
    used = url
    if options.endpointtype == "internal":  # Rackspace's name for it
        parts = urlsplit(url)
        used = urlunsplit(parts._replace(netloc=f"snet-{parts.netloc}"))
    return Access(response.headers["X-Auth-Token"], used, url, "", fresh)


def _from_second(options: SwiftOptions, said: dict[str, Any]) -> Access:
    endpoints = [
        each
        for service in said["serviceCatalog"]
        if service["type"] == _SERVICE
        for each in service["endpoints"]
        if options.region in ("", each.get("region"))
    ]
    one = _first(options, endpoints)
    token = said["token"]
    used = one.get(f"{options.endpointtype}URL") or _absent(options)
    public = one.get("publicURL") or used
    tenant = _id(token.get("tenant"))
    return Access(
        token["id"], used.rstrip("/"), public.rstrip("/"), tenant, _until(token["expires"])
    )


def _from_third(options: SwiftOptions, said: dict[str, Any], token: str) -> Access:
    endpoints = [
        each
        for service in said["catalog"]
        if service["type"] == _SERVICE
        for each in service["endpoints"]
        if options.region in ("", each.get("region"), each.get("region_id"))
    ]

    def urls(interface: str) -> list[dict[str, Any]]:
        return [each for each in endpoints if each["interface"] == interface]

    used = _first(options, urls(options.endpointtype))["url"]
    public = next((each["url"] for each in urls("public")), used)
    tenant = _id(said.get("project"))
    return Access(token, used.rstrip("/"), public.rstrip("/"), tenant, _until(said["expires_at"]))


def _first(options: SwiftOptions, endpoints: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return next(iter(endpoints), None) or _absent(options)


def _absent(options: SwiftOptions) -> Any:
    where = f" in the region {options.region}" if options.region else ""
    raise AccessError(
        "",
        f"{options.authurl}: the catalogue has no {options.endpointtype} endpoint of an object "
        f"store{where}; see `region`, `endpointtype` and `tenant`",
    )


def _id(project: Any) -> str:
    """Of a project, where the answer names one."""
    return str(project["id"]) if project else ""


def _until(text: str) -> float:
    return _fresh(datetime.fromisoformat(text).timestamp()) if text else float("inf")


def _fresh(ends: float) -> float:
    """When to renew what ends then: a little before, so that no request is refused for it."""
    return ends - min(_MARGIN, max(0.0, ends - time.time()) / 10)
