"""Temporary URLs: what a client gets from Swift without a token."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

from entrepot_swift.identity import Access
from entrepot_swift.options import SwiftOptions
from entrepot_swift.places import Places


class Links:
    """Signs with a key that the container or the account has."""

    def __init__(self, places: Places, options: SwiftOptions, key: str, digest: str) -> None:
        self._places = places
        self._endpoint = options.redirectendpoint
        self._access_key = options.accesskey.get_secret_value()
        self._key = key.encode()
        self._digest = digest

    def to(self, access: Access, key: str, seconds: int) -> str:
        """The URL at which an object can be had for so long; makes no request."""
        url = urlsplit(access.public)
        path = unquote(url.path) + self._places.path(key)
        ends = int(time.time()) + seconds
        signed = f"GET\n{ends}\n{path}".encode()  # not quoted, as Swift sees it
        signature = hmac.new(self._key, signed, getattr(hashlib, self._digest)).hexdigest()
        if self._access_key:  # a cloud that knows several keys of one account
            signature = f"{access.tenant}:{self._access_key}:{signature}"
        query = urlencode({"temp_url_sig": signature, "temp_url_expires": str(ends)})
        shown = urlsplit(self._endpoint) if self._endpoint else url
        return urlunsplit((shown.scheme, shown.netloc, quote(path, safe="/"), query, ""))


def key_for(options: SwiftOptions, found: Mapping[str, str]) -> tuple[str, bool]:
    """The key to sign with, of those that headers show, and whether it has to be set there.

    One made out of the credentials is the same on every replica.
    """
    wanted = options.secretkey.get_secret_value()
    if not wanted and found:
        return next(iter(found.values())), False
    if not wanted:
        secret = options.password.get_secret_value()
        secret = secret or options.applicationcredentialsecret.get_secret_value()
        about = f"temporary URLs of {options.container}"
        wanted = hmac.new(secret.encode(), about.encode(), hashlib.sha256).hexdigest()
    return wanted, wanted not in found.values()
