"""`entrepot reindex`: what can be derived from the rest of a store, written anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated

import typer
from rich.markup import escape

from entrepot.core.reindexing import Change, Reindexed
from entrepot.core.reindexing import reindex as write_index
from entrepot.server.cli.interrupting import resumable
from entrepot.server.cli.opening import Store, StoreOfConfiguration, store_of
from entrepot.server.cli.progress import progress
from entrepot.server.cli.reporting import reported
from entrepot.server.cli.tables import show, table
from entrepot.server.cli.usage import globs

_CONTINUED = "run it again, and it passes over what is done"
_SHOWN = 1000  # changes in the table; the rest is counted


def reindex(
    config: StoreOfConfiguration = None,
    repository: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Only those, like team/**; may be repeated."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each change.")
    ] = False,
) -> None:
    """Make the index of referrers anew, for data that another registry wrote or after damage.

    Writes what is missing or wrong of it and removes what belongs to no manifest; nothing else
    is touched. Works while registries serve. Reads every manifest.
    """
    with reported():
        wanted = globs(repository or ["**"])
        output = _Output(as_json=as_json)
        done = Reindexed()
        work = _reindex(store_of(config), done, output, lambda name: wanted.match(name, ""))
        try:
            resumable(work, _CONTINUED)
        finally:
            output.end()
    told = f"{done.manifests:,} manifests in {done.repositories:,} repositories: "
    told += f"{done.added:,} added, {done.renewed:,} renewed, {done.removed:,} removed"
    typer.echo(told, err=as_json)
    if done.unread:
        typer.echo(f"{done.unread:,} could not be read; see `entrepot scrub`", err=True)


async def _reindex(
    store: Store, done: Reindexed, output: _Output, chosen: Callable[[str], bool]
) -> None:
    async with store.opening() as driver:
        with progress("reindexing", unit="manifests", as_json=output.as_json) as bar:
            await write_index(driver, done, chosen=chosen, told=output.add, passed=bar.advance)


class _Output:
    """Shows changes, as they are made with `as_json`, else in a table at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._table = table("change", "repository", "manifest", "subject")

    def add(self, change: Change) -> None:
        fields = {
            "change": change.action,
            "repository": change.repository.text,
            "manifest": str(change.manifest),
            "subject": str(change.subject),
        }
        if self.as_json:
            typer.echo(json.dumps(fields))
        elif self._table.row_count < _SHOWN:
            self._table.add_row(*map(escape, fields.values()))

    def end(self) -> None:
        if self._table.row_count:
            show(self._table)
