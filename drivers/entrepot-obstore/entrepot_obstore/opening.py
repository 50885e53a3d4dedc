"""From options to an open driver over a store that answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from obstore import exceptions
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from entrepot.core import AccessError, Driver
from entrepot_obstore.driver import ObstoreDriver, Store
from entrepot_obstore.errors import told, translated
from entrepot_obstore.listing import pages
from entrepot_obstore.options import ObstoreOptions, Settings, kind_of
from entrepot_obstore.runtime import use_one_thread

_STORES: dict[str, Any] = {"s3": S3Store, "azure": AzureStore, "gcs": GCSStore}
_ENDPOINTS = {"s3": "endpoint", "azure": "endpoint", "gcs": "base_url"}
_LONG = timedelta(days=1)  # a blob may take that long on a slow line
_SETTLING = 0.05
"""Seconds in which obstore's threads let go of the last answers.

Python ends the process with SIGABRT if it is shut down while they do (seen with 0.12).
"""
_POOL = timedelta(seconds=20)  # less than the time after which stores hang up


@asynccontextmanager
async def open_obstore(options: ObstoreOptions, /) -> AsyncGenerator[Driver, None]:
    """A driver over the store of `options.url`, which is asked once whether it answers.

    Raises AccessError: for settings that obstore does not take, wrong credentials, or an
    absent bucket or container; UnavailableError: if nobody answers.
    """
    use_one_thread()
    try:
        driver = await _opened(options)
        try:
            yield driver
        finally:
            driver.close()
    finally:
        await asyncio.sleep(_SETTLING)


async def _opened(options: ObstoreOptions) -> ObstoreDriver:
    store = _store(options, options.config)
    signing: Store | None = store
    if options.redirectendpoint:
        endpoint: Settings = {_ENDPOINTS[kind_of(options.url)]: options.redirectendpoint}
        signing = _store(options, _without_endpoint(options.config) | endpoint)
    await _ask(store, options.url)
    return ObstoreDriver(store, options, signing)


async def _ask(store: Store, url: str) -> None:
    try:
        await anext(pages(store, None, None, 1), None)
    except FileNotFoundError as error:
        raise AccessError("", f"no such bucket or container: {told(error)}") from None
    except (exceptions.BaseError, OSError) as error:
        failure = translated("", error)
        failure.reason = f"{url}: {failure.reason}"
        raise failure from None


def _store(options: ObstoreOptions, config: Settings) -> Store:
    kind = kind_of(options.url)
    if kind == "memory":
        return MemoryStore()
    try:
        store: Store = _STORES[kind].from_url(
            options.url,
            config=_known(kind, config),
            client_options=_client(options, config),
            retry_config={
                "max_retries": options.retries,
                "retry_timeout": timedelta(seconds=options.timeout * 2),
                "backoff": {"max_backoff": timedelta(seconds=5)},
            },
        )
    except exceptions.UnknownConfigurationKeyError as error:
        raise AccessError("", f"storage.obstore.config: {told(error)}") from None
    except (exceptions.BaseError, ValueError, TypeError) as error:
        raise AccessError("", f"storage.obstore: {told(error)}") from None
    return store


def _known(kind: str, config: Settings) -> Settings:
    """Settings as given; on S3 with a region for a store of one's own, and exclusive copies."""
    if kind != "s3":
        return dict(config)
    given = {_bare(key) for key in config}
    added: Settings = {} if "copy_if_not_exists" in given else {"copy_if_not_exists": "multipart"}
    if "endpoint" in given and "region" not in given:
        added["region"] = "us-east-1"
    return added | config


def _client(options: ObstoreOptions, config: Settings) -> dict[str, Any]:
    client: dict[str, Any] = {
        "timeout": _LONG,
        "read_timeout": timedelta(seconds=options.timeout),
        "connect_timeout": timedelta(seconds=min(5.0, options.timeout)),
        "pool_idle_timeout": _POOL,
        "allow_http": any(str(value).startswith("http://") for value in config.values()),
        "allow_invalid_certificates": options.skipverify,
    }
    return client | ({"user_agent": options.useragent} if options.useragent else {})


def _without_endpoint(config: Settings) -> Settings:
    return {key: value for key, value in config.items() if _bare(key) != "endpoint"}


def _bare(key: str) -> str:
    """A setting's name without the prefixes that obstore also takes."""
    name = key.lower()
    for prefix in ("aws_", "azure_storage_", "azure_", "google_"):
        name = name.removeprefix(prefix)
    return name
