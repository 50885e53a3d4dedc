"""From the `health` section to checks at work."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from entrepot.core.configuration import Address, Configuration
from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.model_services import HttpCheck
from entrepot.core.driver import Driver
from entrepot.server.health.probes import (
    FileProbe,
    HttpProbe,
    Probe,
    StorageProbe,
    TcpProbe,
    without_secrets,
)
from entrepot.server.health.sharing import SHARED_FOLDER, share
from entrepot.server.health.status import Health
from entrepot.server.health.watching import Check, watching

if TYPE_CHECKING:
    import httpx2

_USUAL = 10.0  # seconds of an interval or a time-out given as 0
_SHORTEST = 0.1  # seconds between two looks; a bare integer counts nanoseconds


@asynccontextmanager
async def checking(
    configuration: Configuration, driver: Driver, health: Health
) -> AsyncGenerator[None, None]:
    """The configured checks at work; `health` knows what they found.

    Where this process is one of several, the one above it is told, too.
    """
    if folder := os.environ.get(SHARED_FOLDER):
        share(health, Path(folder))
    async with AsyncExitStack() as stack:
        checks = [*_of_storage(configuration, driver), *_of_files_and_addresses(configuration)]
        if sections := configuration.health.http:
            client = await stack.enter_async_context(_client())
            checks += [_of_url(section, client) for section in sections]
        await stack.enter_async_context(watching(_distinct(checks), health))
        yield


def _of_storage(configuration: Configuration, driver: Driver) -> Iterator[Check]:
    section = configuration.health.storagedriver
    if section.enabled:
        name = f"storagedriver_{configuration.storage.driver}"
        probe = StorageProbe(driver)
        yield _check(name, probe, section.interval, section.threshold, section.timeout)


def _of_files_and_addresses(configuration: Configuration) -> Iterator[Check]:
    for file in configuration.health.file:
        yield _check(file.file, FileProbe(file.file), file.interval, file.threshold)
    for tcp in configuration.health.tcp:
        address = Address.parse(tcp.addr)
        probe = TcpProbe(address.host or "localhost", address.port)
        yield _check(tcp.addr, probe, tcp.interval, tcp.threshold, tcp.timeout)


def _client() -> httpx2.AsyncClient:
    """Each look is a connection of its own, as a client's would be."""
    import httpx2  # noqa: PLC0415 - only where a check needs it

    limits = httpx2.Limits(max_keepalive_connections=0)
    return httpx2.AsyncClient(follow_redirects=True, max_redirects=10, limits=limits)


def _of_url(section: HttpCheck, client: httpx2.AsyncClient) -> Check:
    timeout = _seconds(section.timeout)
    probe = HttpProbe(client, section.uri, section.headers, section.statuscode, timeout)
    name = without_secrets(section.uri)
    return _check(name, probe, section.interval, section.threshold, section.timeout)


def _check(
    name: str, probe: Probe, interval: Duration, threshold: int, timeout: Duration | None = None
) -> Check:
    every = max(_seconds(interval), _SHORTEST)
    return Check(name, probe, every, threshold, _seconds(timeout))


def _seconds(duration: Duration | None) -> float:
    return (duration.seconds if duration is not None else 0.0) or _USUAL


def _distinct(checks: list[Check]) -> list[Check]:
    """The same checks, none of which has another one's name."""
    found: dict[str, Check] = {}
    for check in checks:
        name, number = check.name, 2
        while name in found:
            name, number = f"{check.name} ({number})", number + 1
        found[name] = Check(name, check.probe, check.interval, check.threshold, check.timeout)
    return list(found.values())
