"""From options to an open driver over a bucket that is there."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2

from entrepot.core import Driver, StorageError
from entrepot_oss.client import Client
from entrepot_oss.credentials import Credentials, InstanceRole, lasting
from entrepot_oss.driver import OssDriver
from entrepot_oss.errors import Refused
from entrepot_oss.options import OssOptions
from entrepot_oss.places import Place, place_of, public_place_of
from entrepot_oss.signing import signer_of
from entrepot_oss.verbs import Verbs

_LOG = logging.getLogger(__name__)
_IDLE = 5.0  # seconds; less than the time after which proxies hang up
_START = 5.0  # seconds in which a server shows at the start that it is there


@asynccontextmanager
async def open_oss(options: OssOptions, /) -> AsyncGenerator[Driver, None]:
    """A driver over the bucket of `options`.

    Raises AccessError: for credentials that are refused, an absent bucket, or one that is
    elsewhere; UnavailableError: if nobody answers.
    """
    async with opened(options, None) as driver:
        yield driver


@asynccontextmanager
async def opened(
    options: OssOptions, transport: httpx2.AsyncBaseTransport | None
) -> AsyncGenerator[OssDriver, None]:
    """The same over something else than the network, for tests."""
    place = place_of(options)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            httpx2.AsyncClient(
                verify=not options.skipverify and place.scheme == "https",
                limits=httpx2.Limits(max_connections=None, keepalive_expiry=_IDLE),
                headers={"User-Agent": "entrepot-oss"},
                transport=transport,
            )
        )
        credentials = await _credentials(options, stack)
        exclusive = await _probed(http, place, credentials, options)
        yield OssDriver(
            Verbs(Client(http, place, credentials, options), options),
            public_place_of(options),
            signer_of(options.signatureversion),
            credentials,
            exclusive=exclusive,
        )


async def _credentials(options: OssOptions, stack: AsyncExitStack) -> Credentials:
    if not options.ramrole:
        return lasting(options, os.environ)
    # the metadata service is on this machine, never behind a proxy, and speaks plain HTTP
    client = httpx2.AsyncClient(verify=False, trust_env=False)
    return InstanceRole(await stack.enter_async_context(client), options.ramrole)


async def _probed(
    http: httpx2.AsyncClient, place: Place, credentials: Credentials, options: OssOptions
) -> bool:
    """Whether objects can be created exclusively.

    Raises StorageError: if the bucket cannot be listed.
    """
    hurried = options.model_copy(
        update={"timeout": min(options.timeout, _START), "retries": min(options.retries, 1)}
    )
    verbs = Verbs(Client(http, place, credentials, hurried), options)
    try:
        await verbs.page(verbs.root, most=1)
    except Refused as refused:
        raise _told(refused.error(""), options, place) from refused
    try:
        versioning = await verbs.versioning()
    except Refused as refused:
        if refused.status != 403:
            raise _told(refused.error(""), options, place) from refused
        versioning = "unknown, because oss:GetBucketVersioning is not permitted"
    if versioning:
        _LOG.warning(
            "OSS: versioning of the bucket %s is %s: objects are not created exclusively, and "
            "garbage is collected only offline",
            *(place.bucket, versioning),
        )
    return not versioning


def _told(error: StorageError, options: OssOptions, place: Place) -> StorageError:
    """The error with where it happened."""
    where = f"bucket {options.bucket!r} at {place.scheme}://{place.host}"
    error.reason = f"cannot use {where}: {error.reason}"
    error.args = (error.key, error.reason)
    return error
