"""Buckets of OSS for the tests, by requests that the driver under test has no part in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any, Self
from urllib.parse import quote, unquote, urlencode
from xml.etree import ElementTree as ET

import httpx2
from tests.services.running import Service

from entrepot_oss import OssOptions

_SIGNED = ("continuation-token", "uploadId", "uploads")


class OssAccount:
    """Signs by version 1, which is short."""

    def __init__(self, service: Service) -> None:
        self._id = service["accesskeyid"]
        self._secret = service["accesskeysecret"].encode()
        self._http = httpx2.Client(base_url=service["endpoint"], timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(
        self, method: str, bucket: str, key: str = "", query: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """One request, which must not be refused."""
        asked = query or {}
        date = formatdate(usegmt=True)
        listed = "&".join(
            f"{name}={asked[name]}" if asked[name] else name
            for name in sorted(asked)
            if name in _SIGNED
        )
        text = f"{method}\n\n\n{date}\n/{bucket}/{key}{'?' if listed else ''}{listed}"
        digest = hmac.new(self._secret, text.encode(), hashlib.sha1).digest()
        given = f"OSS {self._id}:{base64.b64encode(digest).decode()}"
        headers = {"Date": date, "Authorization": given}
        path = f"/{bucket}/{quote(key)}" + (f"?{urlencode(asked)}" if asked else "")
        return self._http.request(method, path, headers=headers).raise_for_status()

    def names(self, bucket: str) -> list[str]:
        """All objects of a bucket."""
        found, token = list[str](), ""
        while True:
            query = {"list-type": "2", "max-keys": "1000", "encoding-type": "url"}
            query |= {"continuation-token": token} if token else {}
            root = ET.fromstring(self.call("GET", bucket, query=query).content)
            found += [unquote(one.findtext("Key", "")) for one in root.findall("Contents")]
            token = root.findtext("NextContinuationToken", "")
            if not token:
                return found

    def uploads(self, bucket: str) -> list[tuple[str, str]]:
        """Names and ids of all multipart uploads."""
        root = ET.fromstring(self.call("GET", bucket, query={"uploads": ""}).content)
        return [
            (each.findtext("Key", ""), each.findtext("UploadId", ""))
            for each in root.findall("Upload")
        ]

    def make(self, bucket: str) -> None:
        self.call("PUT", bucket)

    def remove(self, bucket: str) -> None:
        """The bucket with whatever is in it."""
        for key, upload in self.uploads(bucket):
            self.call("DELETE", bucket, key, {"uploadId": upload})
        for key in self.names(bucket):
            self.call("DELETE", bucket, key)
        self.call("DELETE", bucket)


@contextmanager
def oss_bucket(service: Service) -> Generator[str, None, None]:
    """A new bucket, removed with whatever is in it."""
    name = f"oss-{uuid.uuid4().hex[:12]}"
    with OssAccount(service) as account:
        account.make(name)
        try:
            yield name
        finally:
            account.remove(name)


def oss_options(service: Service, bucket: str, **changes: Any) -> OssOptions:
    """Options for a folder of its own."""
    given: dict[str, Any] = {
        name: service[name] for name in ("accesskeyid", "accesskeysecret", "region", "endpoint")
    }
    given |= {"bucket": bucket, "rootdirectory": f"some/{uuid.uuid4().hex}"}
    return OssOptions.model_validate(given | changes)
