"""Opening a driver: gcsfs gives session and credentials, the bucket is asked once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
from gcsfs.core import GCSFileSystem

from entrepot.core import AccessError, Driver, NotFoundError, StorageError, UnavailableError
from entrepot.core.threads import Threads
from entrepot.drivers.gcs.credentials import Authority, load
from entrepot.drivers.gcs.driver import GcsDriver
from entrepot.drivers.gcs.errors import NoBucketError
from entrepot.drivers.gcs.links import Links
from entrepot.drivers.gcs.names import Names
from entrepot.drivers.gcs.options import GcsOptions
from entrepot.drivers.gcs.patience import Patience
from entrepot.drivers.gcs.wire import Request, Wire

_THREADS = 4  # for tokens and signatures


@asynccontextmanager
async def opened(
    options: GcsOptions, patience: Patience, *, batches: bool | None = None
) -> AsyncGenerator[Driver, None]:
    """A driver over the bucket, as patient as `options` say, if they say it.

    `batches` None: only Google is taken to have them.
    """
    patience = _patience(options, patience)
    threads = Threads(_THREADS, "gcs")
    try:
        async with _connected(options, patience, threads) as (filesystem, authority):
            origin = str(filesystem._location).rstrip("/")
            wire = Wire(
                filesystem.session,
                origin,
                authority,
                useragent=options.useragent,
                calls=options.maxconcurrency,
                patience=patience,
            )
            names = Names(options.bucket, options.root)
            await _check(wire, names, options, patience.opening)
            if batches is None:
                batches = bool(filesystem.on_google)
            links = Links(authority.credentials, names, options.redirectendpoint or origin, threads)
            yield GcsDriver(wire, names, links, batches=batches, chunksize=options.chunksize)
    finally:
        threads.close()


def _patience(options: GcsOptions, patience: Patience) -> Patience:
    if "timeout" not in options.model_fields_set:
        return patience
    answer = options.timeout.seconds
    return replace(patience, answer=answer, total=2 * answer)


@asynccontextmanager
async def _connected(
    options: GcsOptions, patience: Patience, threads: Threads
) -> AsyncGenerator[tuple[Any, Authority], None]:
    credentials = await threads.run(load, options) if options.sends_credentials else None
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=patience.connect)
    filesystem: Any = GCSFileSystem(
        project=str(getattr(credentials, "project_id", None) or "unknown"),
        token=credentials or "anon",
        endpoint_url=options.endpoint or options.emulator or None,
        asynchronous=True,
        skip_instance_cache=True,
        use_listings_cache=False,
        session_kwargs={
            "connector": aiohttp.TCPConnector(limit=0),  # reading holds one as long as a client
            "timeout": timeout,
            "auto_decompress": False,
            "trust_env": True,
        },
    )
    authority = Authority(credentials, threads)
    try:
        await filesystem._set_session()
        yield filesystem, authority
    finally:
        await authority.close()
        if filesystem._session is not None:
            await filesystem._session.close()


async def _check(wire: Wire, names: Names, options: GcsOptions, seconds: float) -> None:
    """One listing of one object, so that what is wrong stops the start and not the first push.

    Raises AccessError or UnavailableError: the message says what and what to do.
    """
    where = f"bucket {options.bucket} at {wire.location}"
    params = {"maxResults": "1", "fields": "items(name)", "prefix": names.root}
    try:
        async with asyncio.timeout(seconds):
            await wire.ask("", Request("GET", names.objects, params))
    except TimeoutError as error:
        reason = f"{where} does not answer: check `endpoint`, the network and its proxy"
        raise UnavailableError("", reason) from error
    except (NotFoundError, NoBucketError) as error:
        reason = f"{where} does not exist: create it, or correct `bucket`"
        raise AccessError("", reason) from error
    except AccessError as error:
        reason = f"no access to {where}: {error.reason}; the account needs roles/storage.objectUser"
        raise AccessError("", reason) from error
    except StorageError as error:
        raise UnavailableError("", f"{where} cannot be used: {error.reason}") from error
