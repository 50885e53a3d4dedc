"""A server that does what CloudFront does with signed URLs, and tells AWS's ranges."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat

OLD = PrivateFormat.TraditionalOpenSSL
KEY = rsa.generate_private_key(65537, 2048)
PAIR = "K2JCJMDEHXQW5F"
RANGES = "/ip-ranges.json"
AWS = {
    "syncToken": "1",
    "prefixes": [
        {"ip_prefix": "3.5.140.0/22", "region": "ap-northeast-2", "service": "AMAZON"},
        {"ip_prefix": "52.94.0.0/16", "region": "us-east-1", "service": "EC2"},
        {"ip_prefix": "15.230.56.104/31", "region": "us-east-1", "service": "EC2"},
    ],
    "ipv6_prefixes": [
        {"ipv6_prefix": "2600:1f18::/33", "region": "us-east-1", "service": "EC2"},
        {"ipv6_prefix": "2a05:d018::/36", "region": "eu-west-1", "service": "EC2"},
    ],
}


def pem(*, password: bytes = b"", form: PrivateFormat = OLD) -> bytes:
    """The key, as CloudFront's documentation has it made; or otherwise."""
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return KEY.private_bytes(serialization.Encoding.PEM, form, encryption)


def is_signed(url: str, query: dict[str, list[str]]) -> bool:
    """Whether CloudFront would take a URL with this query.

    Source: CloudFront Developer Guide, "Create a signed URL using a canned policy".
    """
    if query.keys() != {"Expires", "Signature", "Key-Pair-Id"} or query["Key-Pair-Id"] != [PAIR]:
        return False
    expires = query["Expires"][0]
    policy = (
        '{"Statement":[{"Resource":"' + url + '","Condition":{"DateLessThan":'
        '{"AWS:EpochTime":' + expires + "}}}]}"
    )
    encoded = query["Signature"][0].replace("-", "+").replace("_", "=").replace("~", "/")
    signature = base64.b64decode(encoded, validate=True)
    try:
        KEY.public_key().verify(signature, policy.encode(), padding.PKCS1v15(), hashes.SHA1())
    except InvalidSignature:
        return False
    return int(expires) > time.time()


class Edge(ThreadingHTTPServer):
    """Serves a folder to who has a signed URL; `ranges` is what it answers for those."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.ranges: tuple[int, bytes] = 200, json.dumps(AWS).encode()
        self.folder = folder
        self.fetches, self.served = 0, 0  # of the ranges, and files


class _Handler(SimpleHTTPRequestHandler):
    server: Edge  # pyright: ignore[reportIncompatibleVariableOverride] - it is made by no other

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == RANGES:
            self.server.fetches += 1
            self._give(*self.server.ranges)
        elif is_signed(self.server.url + path, parse_qs(query)):
            self.server.served += 1
            self._give_file(Path(self.translate_path(path)))
        else:
            self._give(403, b"")

    def _give_file(self, path: Path) -> None:
        content, wanted = path.read_bytes(), self.headers["Range"]
        if wanted:
            first, last = map(int, wanted.removeprefix("bytes=").split("-"))
            content = content[first : last + 1]
        self._give(206 if wanted else 200, content)

    def _give(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing."""


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again, not for ever."""
    async with asyncio.timeout(20):
        while not await true():  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.01)


@contextmanager
def running(folder: Path) -> Generator[Edge, None, None]:
    edge = Edge(folder)
    thread = Thread(target=edge.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield edge
    finally:
        edge.shutdown()
        thread.join()
        edge.server_close()
