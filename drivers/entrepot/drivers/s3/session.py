"""The connections to the server."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp

from entrepot.drivers.s3.options import S3Options
from entrepot.drivers.s3.signing import Place

_WINDOW = 512 * 1024  # bytes a connection receives ahead of its reader


@asynccontextmanager
async def session_for(
    options: S3Options, place: Place, *, verify: bool | str
) -> AsyncGenerator[aiohttp.ClientSession, None]:
    """`verify` may name a file of certificate authorities."""
    connector = aiohttp.TCPConnector(
        limit=2 * options.maxconnections, ssl=_tls(options, verify), ttl_dns_cache=60
    )
    session: Any = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=timeouts(),
        read_bufsize=_WINDOW,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type"),
        headers={"User-Agent": options.useragent or "entrepot"},
        proxy=_proxy(place),
    )
    # it would repeat a request whose answer was lost, unseen; there is one place for that
    session._retry_connection = False
    async with session:
        yield session


def timeouts(*, silence: float | None = None) -> aiohttp.ClientTimeout:
    """Of one request: `silence` is how many seconds may pass without a byte of its answer."""
    return aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=silence)


def _tls(options: S3Options, verify: bool | str) -> ssl.SSLContext | bool:
    if options.skipverify:
        return False
    return ssl.create_default_context(cafile=verify) if isinstance(verify, str) else True


def _proxy(place: Place) -> str | None:
    if proxy_bypass(place.host):
        return None
    return getproxies().get(place.scheme)
