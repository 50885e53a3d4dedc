"""From options to a driver whose container answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp

from azure.core.credentials import AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline.policies import AzureSasCredentialPolicy
from azure.core.pipeline.transport import AioHttpTransport as _AioHttpTransport
from azure.identity.aio import ClientSecretCredential, DefaultAzureCredential
from azure.storage.blob.aio import BlobServiceClient
from entrepot.core import AccessError, StorageError, UnavailableError
from entrepot.drivers.azure.access import Access, KeyAccess, Place, SignatureAccess, TokenAccess
from entrepot.drivers.azure.connections import Connections
from entrepot.drivers.azure.driver import AzureDriver
from entrepot.drivers.azure.filesystem import ClientFileSystem
from entrepot.drivers.azure.listing import Listing
from entrepot.drivers.azure.names import LEGACY, Names, root_of
from entrepot.drivers.azure.options import AzureOptions
from entrepot.drivers.azure.patience import Patience
from entrepot.drivers.azure.reading import CHUNK
from entrepot.drivers.azure.requests import Requests, StampPolicy

_PATIENT = Patience()
_BELOW = "docker/"  # what a registry's names begin with, behind the root

AioHttpTransport: Any = _AioHttpTransport  # imported by the SDK when asked for, so untyped

_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def opened(
    options: AzureOptions, patience: Patience = _PATIENT
) -> AsyncGenerator[AzureDriver, None]:
    """A driver over the container of `options`, which say how long and how often it tries."""
    patience = _patience(options, patience)
    async with AsyncExitStack() as stack:
        credential = _credential(options)
        if credential is not None:
            await stack.enter_async_context(credential)
        connections = Connections()
        stack.push_async_callback(connections.abort)
        transport = _transport(options, patience, connections)
        client = ClientFileSystem(
            _client(options, credential, transport), credential
        ).service_client
        await stack.enter_async_context(client)
        yield await _driver(options, patience, client, credential, transport)


def _patience(options: AzureOptions, patience: Patience) -> Patience:
    changed = replace(patience, retries=options.max_retries, delay=options.retry_delay.seconds)
    if "timeout" not in options.model_fields_set:
        return changed
    answer = options.timeout.seconds
    return replace(changed, answer=answer, silence=min(changed.silence, answer))


async def _driver(
    options: AzureOptions,
    patience: Patience,
    client: BlobServiceClient,
    credential: AsyncTokenCredential | None,
    transport: Any,
) -> AzureDriver:
    url = urlsplit(client.url)
    names = Names(f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}/{options.container}", "")
    pipeline: Any = AsyncPipeline(transport, [StampPolicy(), _signing(client, url.query)])
    requests = Requests(pipeline, names, patience, options.maxconcurrency)
    requests.names = Names(names.url, await _root(options, patience, requests))
    access = _access(options, requests.names, client, credential, url.query)
    return AzureDriver(requests, access, client.get_container_client(options.container))


def _signing(client: BlobServiceClient, signature: str) -> Any:
    """The SDK's way to sign, out of a pipeline whose other steps double a request's cost."""
    if signature:
        policy: Any = AzureSasCredentialPolicy
        return policy(AzureSasCredential(signature))
    whole: Any = client
    return whole._credential_policy


def _credential(options: AzureOptions) -> AsyncTokenCredential | None:
    given = options.credentials
    if given.type == "default_credentials":
        return DefaultAzureCredential()
    if given.type == "client_secret":
        return ClientSecretCredential(
            given.tenantid, given.clientid, given.secret.get_secret_value()
        )
    return None


def _transport(options: AzureOptions, patience: Patience, connections: Connections) -> Any:
    session = aiohttp.ClientSession(
        connector=connections,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=bool(getproxies()),  # aiohttp asks a thread, twice for each request
        read_bufsize=CHUNK // 2,
    )
    return AioHttpTransport(
        session=session,
        connection_timeout=patience.connect,
        read_timeout=patience.answer,
        connection_verify=not options.skipverify,
        connection_data_block_size=CHUNK,
    )


def _client(
    options: AzureOptions, credential: AsyncTokenCredential | None, transport: Any
) -> BlobServiceClient:
    settings: dict[str, Any] = {"transport": transport, "retry_total": 0}
    text = options.connectionstring.get_secret_value()
    if text:
        return BlobServiceClient.from_connection_string(text, **settings)
    key = {
        "account_name": options.accountname,
        "account_key": options.accountkey.get_secret_value(),
    }
    return BlobServiceClient(options.url, credential=credential or key, **settings)


def _access(
    options: AzureOptions,
    names: Names,
    client: BlobServiceClient,
    credential: AsyncTokenCredential | None,
    signature: str,
) -> Access:
    place = Place(client.account_name or options.accountname, options.container, names)
    if credential is not None:
        return TokenAccess(place, client, credential)
    if signature:
        return SignatureAccess(names, signature)
    key: Any = client.credential
    return KeyAccess(place, key.account_key)


async def _root(options: AzureOptions, patience: Patience, requests: Requests) -> str:
    """What all names begin with; the first request of all, so it explains what is wrong."""
    try:
        async with asyncio.timeout(patience.opening):
            return await _seen(options, Listing(requests))
    except TimeoutError as error:
        raise _explained(UnavailableError("", "no answer in time"), requests, options) from error
    except StorageError as error:
        raise _explained(error, requests, options) from error


async def _seen(options: AzureOptions, listing: Listing) -> str:
    root = root_of(options.rootdirectory)
    if root or options.legacy is not None:
        root = LEGACY if options.legacy else root
        await listing.holds(root + _BELOW)
        return root
    new = await listing.holds(_BELOW)
    old = await listing.holds(LEGACY + _BELOW)
    if old and new:
        _LOG.warning(
            "the container has blobs named docker/… and /docker/…: the former are used; "
            "legacyrootprefix: true would take the latter, which Distribution 2.x wrote"
        )
    elif old:
        _LOG.info("blobs are named /docker/…, as Distribution 2.x names them")
    return LEGACY if old and not new else ""


def _explained(error: StorageError, requests: Requests, options: AzureOptions) -> StorageError:
    where = f"container {options.container!r} at {requests.names.url.rpartition('/')[0]}"
    if isinstance(error, AccessError):
        return AccessError("", f"{where}: {error.reason}")
    return UnavailableError(
        "", f"{where}: {error.reason}; is the URL right, and reachable from here?"
    )
