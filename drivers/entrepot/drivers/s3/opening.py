"""From options to an open driver: botocore says who we are and where the bucket is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import s3fs
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.loaders import Loader

from entrepot.core import AccessError, Driver, StorageError
from entrepot.drivers.s3.client import Client, Patience
from entrepot.drivers.s3.driver import S3Driver
from entrepot.drivers.s3.errors import Refused
from entrepot.drivers.s3.options import S3Options
from entrepot.drivers.s3.session import session_for
from entrepot.drivers.s3.signing import Keys, Place
from entrepot.drivers.s3.verbs import Verbs

_KEY = "key"
_START = Patience(attempts=2, answer=4.0, budget=5.0)
_LASTING = Patience()
_CHAIN = 10.0  # seconds in which credentials must be found


@asynccontextmanager
async def opened(options: S3Options, patience: Patience = _LASTING) -> AsyncGenerator[Driver, None]:
    """The driver; `patience` is that of its requests once it is open, but for `options`' own."""
    async with AsyncExitStack() as stack:
        sdk = await stack.enter_async_context(_sdk_client(options, options.regionendpoint))
        place = await _resolved(sdk, options)
        public = place
        if options.redirectendpoint:
            # a client of its own, for its endpoint is what links are signed for
            other = await stack.enter_async_context(_sdk_client(options, options.redirectendpoint))
            public = await _resolved(other, options)
        session = await stack.enter_async_context(
            session_for(options, place, verify=sdk._endpoint.http_session._verify)
        )
        provider = sdk._request_signer._credentials

        async def keys() -> Keys:
            frozen: Keys = await provider.get_frozen_credentials()
            return frozen

        def client(patience: Patience) -> Client:
            sign = options.signpayload
            return Client(
                session,
                place,
                keys,
                connections=options.maxconnections,
                sign_payload=place.scheme == "http" if sign is None else sign,
                patience=patience,
                log=options.loglevel != "off",
            )

        probe = client(_START)
        await _probed(Verbs(probe, options), options, place)
        lasting = client(_patience(options, patience))
        lasting.ordered, lasting.exact = probe.ordered, probe.exact
        yield S3Driver(Verbs(lasting, options), public, keys)


def _patience(options: S3Options, patience: Patience) -> Patience:
    if "timeout" not in options.model_fields_set:
        return patience
    answer = options.timeout.seconds
    silence = min(patience.silence, answer)
    return replace(patience, answer=answer, budget=2 * answer, silence=silence)


async def _probed(verbs: Verbs, options: S3Options, place: Place) -> None:
    """Raises StorageError: if the bucket cannot be listed."""
    where = f"bucket {options.bucket!r} at {place.scheme}://{place.host}"
    try:
        await verbs.page(options.rootdirectory, most=1)
    except Refused as refused:
        error = refused.error("")
        error.reason = f"cannot use {where}: {error.reason or refused.code}"
        error.args = (error.key, error.reason)
        raise error from refused
    except StorageError as error:
        raise type(error)("", f"cannot use {where}: {error.reason}") from error


@asynccontextmanager
async def _sdk_client(options: S3Options, endpoint: str) -> AsyncGenerator[Any, None]:
    """The client of s3fs, which has the credentials and knows endpoints; it sends no data."""
    if endpoint and "://" not in endpoint:
        endpoint = f"{'https' if options.secure else 'http'}://{endpoint}"
    path_style = options.forcepathstyle
    if path_style is None:
        path_style = bool(options.regionendpoint)
    session: Any = AioSession()
    session.register_component("data_loader", _models())
    filesystem: Any = s3fs.S3FileSystem(
        session=session,
        asynchronous=True,
        skip_instance_cache=True,
        use_listings_cache=False,
        key=options.accesskey or None,
        secret=options.secretkey.get_secret_value() or None,
        token=options.sessiontoken.get_secret_value() or None,
        endpoint_url=endpoint or None,
        client_kwargs={"region_name": options.region or "us-east-1"},
        config_kwargs={
            "signature_version": "s3v4",
            "retries": {"mode": "standard", "total_max_attempts": 1},
            "use_dualstack_endpoint": options.usedualstack or None,
            "use_fips_endpoint": options.usefipsendpoint or None,
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "s3": {
                "addressing_style": "path" if path_style else "auto",
                "use_accelerate_endpoint": options.accelerate,
            }
            | ({"addressing_style": "virtual"} if options.forcepathstyle is False else {}),
        },
    )
    try:
        async with asyncio.timeout(_CHAIN):
            client = await filesystem.set_session()
    except (BotoCoreError, ValueError) as error:
        raise AccessError("", f"the SDK refuses this configuration: {error}") from error
    except TimeoutError as error:
        raise AccessError("", "credentials were not found in time: give accesskey") from error
    try:
        yield client
    finally:
        await filesystem._s3creator.__aexit__(None, None, None)


@cache
def _models() -> Any:
    """What the SDK knows of services, read once in a process: that takes a second."""
    return Loader()


class _Caught(Exception):  # noqa: N818 - carries a request out of the SDK before it is sent
    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


async def _resolved(client: Any, options: S3Options) -> Place:
    """Where and for whom the SDK would sign a request to the bucket.

    Raises AccessError: if there are no credentials, or the SDK knows no such endpoint.
    """

    def catch(request: Any, **_: Any) -> None:
        raise _Caught(request)

    client.meta.events.register("before-send.s3", catch)
    try:
        async with asyncio.timeout(_CHAIN):
            await client.head_object(Bucket=options.bucket, Key=_KEY)
    except _Caught as caught:
        return _place(caught.request)
    except NoCredentialsError as error:
        reason = "no AWS credentials found: give accesskey and secretkey, or set up a role"
        raise AccessError("", reason) from error
    except BotoCoreError as error:
        raise AccessError("", f"the SDK refuses this configuration: {error}") from error
    except TimeoutError as error:
        raise AccessError("", "credentials were not found in time: give accesskey") from error
    finally:
        client.meta.events.unregister("before-send.s3", catch)
    raise AssertionError("the request was sent")


def _place(request: Any) -> Place:
    parts = urlsplit(str(request.url))
    authorization = request.headers["Authorization"]
    if isinstance(authorization, bytes):
        authorization = authorization.decode()
    scope = authorization.partition("Credential=")[2].partition(",")[0].split("/")
    default = {"http": 80, "https": 443}[parts.scheme]
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    if parts.port not in {None, default}:
        host = f"{host}:{parts.port}"
    return Place(parts.scheme, host, parts.path.removesuffix(_KEY), scope[-3], scope[-2])
