"""`entrepot uploads`: uploads that were not finished."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from typing import Annotated

import typer
from rich.markup import escape

from entrepot.core.purging import OpenUpload, Purged, open_uploads, purge
from entrepot.core.registry import Rules, open_registry
from entrepot.server.cli.figures import duration, seconds_of
from entrepot.server.cli.opening import Store, StoreOfConfiguration, store_of
from entrepot.server.cli.reporting import reported
from entrepot.server.cli.tables import show, table

app = typer.Typer(
    no_args_is_help=True,
    help="Uploads that were begun and not finished. Works while registries serve.",
)

_AGE = "168h"
Age = Annotated[
    str, typer.Option("--age", help="How long nobody may have gone on with it, like 36h.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a line of JSON for each upload.")]


@app.command(name="list")
def list_uploads(config: StoreOfConfiguration = None, as_json: AsJson = False) -> None:
    """List the uploads that the store has."""
    with reported():
        asyncio.run(_list(store_of(config), _Output(as_json)))


@app.command(name="purge")
def purge_uploads(
    config: StoreOfConfiguration = None,
    age: Age = _AGE,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-d", help="Show what would be removed, remove nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove uploads that nobody goes on with, and what the backend holds for them.

    Exits with 1 if one could not be removed.
    """
    with reported():
        older = seconds_of("--age", age)
        output = _Output(as_json)
        done = asyncio.run(_purge(store_of(config), older, dry_run, output))
    verb = "would be removed" if dry_run else "removed"
    typer.echo(f"{done.removed} of {done.seen} uploads {verb}", err=as_json)
    if done.failed:
        typer.echo(f"{done.failed} could not be removed", err=True)
        raise typer.Exit(1)


class _Output:
    """Shows uploads, as they are found with `as_json`, else in a table at the end."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._now = time.time()
        self._table = table("repository", "upload", "age", "bytes", right=("age", "bytes"))

    def add(self, upload: OpenUpload) -> None:
        age = max(0, round(upload.age(self._now)))
        if not self._as_json:
            row = (escape(upload.repository.text), upload.id.text, duration(age), str(upload.size))
            self._table.add_row(*row)
            return
        fields = {
            "repository": upload.repository.text,
            "upload": upload.id.text,
            "age": age,
            "bytes": upload.size,
        }
        typer.echo(json.dumps(fields))

    def end(self) -> None:
        if self._table.row_count:
            show(self._table)


async def _list(store: Store, output: _Output) -> None:
    async with store.opening() as driver, aclosing(open_uploads(driver)) as uploads:
        async for upload in uploads:
            output.add(upload)
    output.end()


async def _purge(store: Store, older: float, dry_run: bool, output: _Output) -> Purged:
    async with store.opening() as driver, open_registry(driver, Rules(), store.name) as registry:
        done = await purge(registry, older, time.time(), dry_run=dry_run, told=output.add)
    output.end()
    return done
