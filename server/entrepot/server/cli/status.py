"""`entrepot status`: what a store holds as a whole, and what goes on there."""

from __future__ import annotations

import json
import time
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.markup import escape

from entrepot.core import read_only
from entrepot.core.accounting import Account, account, count_tags
from entrepot.core.collecting.marking import MarkOptions, MarkReport, unreachable
from entrepot.core.driver import Driver
from entrepot.core.purging import open_uploads
from entrepot.core.read_only import ReadOnly
from entrepot.core.turns import Turn, last_turns
from entrepot.server.cli.figures import amount, duration
from entrepot.server.cli.interrupting import resumable
from entrepot.server.cli.opening import Store, StoreOfConfiguration, store_of
from entrepot.server.cli.progress import progress
from entrepot.server.cli.reporting import reported
from entrepot.server.cli.tables import show, table

GRACE = 3600.0
"""Seconds; what is younger is no garbage, as for `entrepot garbage-collect`."""
STOPPED = "nothing was changed; run it again for the figures"


def status(
    config: StoreOfConfiguration = None,
    garbage: Annotated[
        bool,
        typer.Option(
            "--garbage",
            help="Look, too, for what garbage collection would delete: reads every manifest.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how much a store holds, what is going on, and when maintenance last ran.

    Lists all links and blobs and reads tags; works while registries serve.
    """
    with reported():
        store = store_of(config, copies=False)
        found = resumable(_look(store, garbage=garbage, as_json=as_json), STOPPED)
    if as_json:
        typer.echo(json.dumps(_fields(found)))
    else:
        _show(found)


@dataclass(slots=True)
class _Garbage:
    """What garbage collection would delete; nothing of `left_alone` repositories."""

    blobs: int = 0
    size: int = 0  # bytes
    links: int = 0
    left_alone: int = 0


@dataclass(frozen=True, slots=True)
class _Status:
    storage: str
    account: Account
    tags: int
    uploads: int
    uploading: int  # bytes
    switch: ReadOnly | None
    is_configured_read_only: bool
    turns: list[Turn]
    garbage: _Garbage | None


async def _look(store: Store, *, garbage: bool, as_json: bool) -> _Status:
    async with store.opening() as driver:
        with progress("listing", unit="objects", as_json=as_json) as bar:
            found = await account(driver, bar.advance)
            names = [holding.repository for holding in found.holdings]
            tags = await count_tags(driver, names, bar.advance)
            uploads, uploading = await _uploads(driver)
        return _Status(
            storage=store.name,
            account=found,
            tags=tags,
            uploads=uploads,
            uploading=uploading,
            switch=await read_only.find(driver),
            is_configured_read_only=store.configuration.storage.maintenance.readonly.enabled,
            turns=await last_turns(driver),
            garbage=await _garbage(driver, as_json=as_json) if garbage else None,
        )


async def _uploads(driver: Driver) -> tuple[int, int]:
    count = size = 0
    async with aclosing(open_uploads(driver)) as uploads:
        async for upload in uploads:
            count, size = count + 1, size + upload.size
    return count, size


async def _garbage(driver: Driver, *, as_json: bool) -> _Garbage:
    found, report = _Garbage(), MarkReport()
    options = MarkOptions(grace=GRACE, now=time.time())
    with progress("looking for garbage", unit="objects", as_json=as_json) as bar:
        async with aclosing(unreachable(driver, options, report)) as unneeded:
            async for one in unneeded:
                bar.advance()
                found.links += one.kind != "blob"
                found.blobs += one.kind == "blob"
                found.size += one.size
    found.left_alone = report.damaged
    return found


def _fields(found: _Status) -> dict[str, Any]:
    held = found.account
    garbage = {} if found.garbage is None else {"garbage": asdict(found.garbage)}
    return garbage | {
        "storage": found.storage,
        "repositories": len(held.holdings),
        "tags": found.tags,
        "manifests": sum(holding.manifests for holding in held.holdings),
        "blobs": held.blobs,
        "bytes": {
            "logical": held.logical,
            "physical": held.physical,
            "unlinked": held.unlinked,
        },
        "missing": held.missing,
        "uploads": {"open": found.uploads, "bytes": found.uploading},
        "readonly": {
            "switch": found.switch is not None,
            "reason": found.switch.reason if found.switch else "",
            "configuration": found.is_configured_read_only,
        },
        "turns": [
            {"work": turn.work, "taken": turn.taken, "owner": turn.owner} for turn in found.turns
        ],
    }


def _show(found: _Status) -> None:
    held = found.account
    rows = table("", "")
    rows.show_header = False
    rows.add_row("storage", escape(found.storage))
    rows.add_row("repositories", f"{len(held.holdings):,}")
    rows.add_row("tags", f"{found.tags:,}")
    rows.add_row("manifests", f"{sum(holding.manifests for holding in held.holdings):,}")
    rows.add_row("logical size", _bytes(held.logical, "that repositories link to, counted in each"))
    rows.add_row("physical size", _bytes(held.physical, f"in {held.blobs:,} blobs, counted once"))
    rows.add_row("in no repository", _bytes(held.unlinked, "of the physical size"))
    if held.missing:
        rows.add_row("missing", f"{held.missing:,} links to blobs that are not there")
    if found.garbage is not None:
        rows.add_row("garbage", _told(found.garbage))
    rows.add_row("open uploads", f"{found.uploads:,}, {amount(found.uploading, 'bytes')}")
    rows.add_row("read-only", escape(_read_only(found)))
    for turn in found.turns:
        age = duration(max(0.0, time.time() - turn.taken))
        rows.add_row(f"last {escape(turn.work)}", escape(f"{age} ago, by {turn.owner}"))
    show(rows)


def _bytes(size: int, what: str) -> str:
    return f"{amount(size, 'bytes')} {what}"


def _told(garbage: _Garbage) -> str:
    told = f"{amount(garbage.size, 'bytes')} in {garbage.blobs:,} blobs, {garbage.links:,} links"
    if garbage.left_alone:
        told += f"; {garbage.left_alone:,} repositories are damaged and left alone"
    return told


def _read_only(found: _Status) -> str:
    told: list[str] = []
    if found.switch is not None:
        reason = f": {found.switch.reason}" if found.switch.reason else ""
        told.append(f"yes, by `entrepot readonly`{reason}")
    if found.is_configured_read_only:
        told.append("yes, by this configuration")
    return "; ".join(told) or "no"
