"""`entrepot readonly`: all replicas of a store take and remove nothing, or do so again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from entrepot.core import read_only
from entrepot.core.driver import Driver
from entrepot.core.read_only import ReadOnly
from entrepot.server.cli.opening import Store, StoreOfConfiguration, store_of
from entrepot.server.cli.reporting import reported

app = typer.Typer(
    no_args_is_help=True,
    help="Switch all replicas of a store to read-only and back, while they serve.",
)
_WAIT = read_only.SECONDS + 1  # seconds; the one is for timers that are late


@app.command()
def on(
    config: StoreOfConfiguration = None,
    reason: Annotated[str, typer.Option("--reason", help="What clients are told, in a line.")] = "",
) -> None:
    """Refuse pushes and deletions on every replica; returns when all of them do.

    What a request had begun before goes on to its end. It stays so until `entrepot readonly off`,
    over restarts, too.
    """
    with reported():
        asyncio.run(_turn(store_of(config), lambda driver: _on(driver, reason)))
    typer.echo("read-only: every replica refuses pushes and deletions that begin from now on")


@app.command()
def off(config: StoreOfConfiguration = None) -> None:
    """Take pushes and deletions again; returns when every replica does."""
    with reported():
        asyncio.run(_turn(store_of(config), read_only.turn_off))
    typer.echo("not read-only: every replica takes pushes and deletions again")


@app.command()
def status(
    config: StoreOfConfiguration = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON.")] = False,
) -> None:
    """Say whether the store is switched to read-only, since when, and why."""
    with reported():
        found = asyncio.run(_status(store_of(config)))
    typer.echo(json.dumps(_fields(found)) if as_json else _told(found))


async def _turn(store: Store, act: Callable[[Driver], Awaitable[object]]) -> None:
    async with store.opening() as driver:
        await act(driver)
    typer.echo(f"switched; waiting {_WAIT:g} s until every replica has seen it", err=True)
    await asyncio.sleep(_WAIT)


async def _on(driver: Driver, reason: str) -> None:
    await read_only.turn_on(driver, reason, time.time())


async def _status(store: Store) -> ReadOnly | None:
    async with store.opening() as driver:
        return await read_only.find(driver)


def _fields(found: ReadOnly | None) -> dict[str, object]:
    if found is None:
        return {"readonly": False}
    return {"readonly": True, "since": _moment(found), "reason": found.reason}


def _told(found: ReadOnly | None) -> str:
    if found is None:
        return "not read-only"
    return f"read-only since {_moment(found) or '?'}: {found.reason or 'no reason given'}"


def _moment(found: ReadOnly) -> str | None:
    if not found.since:
        return None
    return datetime.fromtimestamp(found.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
