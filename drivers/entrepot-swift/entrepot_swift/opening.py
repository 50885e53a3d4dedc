"""From options to an open driver over a container that is there."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2

from entrepot.core import AccessError, Driver, NotFoundError, StorageError
from entrepot_swift import features
from entrepot_swift.client import Client, Request
from entrepot_swift.driver import SwiftDriver
from entrepot_swift.features import Features
from entrepot_swift.links import Links, key_for
from entrepot_swift.options import SwiftOptions
from entrepot_swift.places import Places
from entrepot_swift.session import Session
from entrepot_swift.store import Store

_LOG = logging.getLogger(__name__)
_CONNECT = 5.0  # seconds
_IDLE = 5.0  # seconds; less than the time after which proxies hang up
_KEY_HEADERS = ("Temp-Url-Key", "Temp-Url-Key-2")


@asynccontextmanager
async def open_swift(options: SwiftOptions, /) -> AsyncGenerator[Driver, None]:
    """A driver over the container of `options`, which is made if it is not there.

    Raises AccessError: for credentials that are refused, a catalogue without an object store,
    or a cluster without large objects; UnavailableError: if nobody answers.
    """
    async with opened(options, None) as driver:
        yield driver


@asynccontextmanager
async def opened(
    options: SwiftOptions, transport: httpx2.AsyncBaseTransport | None
) -> AsyncGenerator[SwiftDriver, None]:
    """The same over something else than the network, for tests."""
    if not options.version:
        raise AccessError(
            "", f"storage.swift: {options.authurl} does not say its version; set `authversion`"
        )
    async with httpx2.AsyncClient(
        verify=not options.insecureskipverify,
        timeout=httpx2.Timeout(options.timeout, connect=min(_CONNECT, options.timeout)),
        limits=httpx2.Limits(max_connections=None, keepalive_expiry=_IDLE),
        headers={"User-Agent": "entrepot-swift"},
        transport=transport,
    ) as http:
        client = Client(http, Session(http, options), options)
        access = await client.access()
        found = await features.ask(http, access.url, options)
        places = Places(options.container, options.prefix)
        await _make_container(client, places)
        store = Store(client, places, found)
        yield SwiftDriver(store, await _links(client, places, options, found), options.chunksize)


async def _make_container(client: Client, places: Places) -> None:
    path = f"/{places.container}"
    try:
        await client.call(Request("", "HEAD", path))
    except NotFoundError:
        try:
            await client.call(Request("", "PUT", path))
        except NotFoundError:
            raise AccessError("", "the account of the catalogue does not exist") from None
        except AccessError as error:
            reason = f"there is no container {places.container!r}, and it cannot be made"
            raise AccessError("", f"{reason}: {error.reason}") from None
        _LOG.info("Swift: made the container %s", places.container)
    except AccessError as error:
        raise AccessError("", f"container {places.container!r}: {error.reason}") from None


async def _links(
    client: Client, places: Places, options: SwiftOptions, found: Features
) -> Links | None:
    """None where the cluster has no temporary URLs, or none that these credentials may use."""
    if "GET" not in found.methods:
        return None
    path, level = (f"/{places.container}", "Container") if found.container_key else ("", "Account")
    names = [f"X-{level}-Meta-{each}" for each in _KEY_HEADERS]
    try:
        headers = (await client.call(Request("", "HEAD", path))).headers
        keys = {name: headers[name] for name in names if headers.get(name)}
        key, to_set = key_for(options, keys)
        if to_set:
            await client.call(Request("", "POST", path, headers={names[0]: key}))
    except StorageError as error:
        _LOG.warning("Swift: clients are not sent to it, no key for URLs: %s", error.reason)
        return None
    return Links(places, options, key, found.digest)
