"""`entrepot migrate`: all that a store holds, copied into another one while both are served."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from entrepot.core.errors import ConfigurationError
from entrepot.core.lines import one_line
from entrepot.core.migrating import Choice, Pace, Totals, migrate
from entrepot.server.cli.figures import amount
from entrepot.server.cli.interrupting import resumable
from entrepot.server.cli.opening import Store, store_of
from entrepot.server.cli.progress import Bar, progress
from entrepot.server.cli.reporting import reported, tell
from entrepot.server.cli.sizes import size
from entrepot.server.cli.usage import globs

_CONTINUED = "run it again to go on where it stopped"

_From = Annotated[
    Path, typer.Argument(metavar="FROM", help="The configuration whose storage is copied.")
]
_To = Annotated[
    Path, typer.Argument(metavar="TO", help="The configuration whose storage gets the copy.")
]
_Repositories = Annotated[
    list[str] | None,
    typer.Option(
        "--repository",
        metavar="GLOB",
        help="Copy those only, with all that they need, like team/**; may be repeated.",
    ),
]
_Rate = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Bytes to read in a second, like 50MiB.")
]
_Width = Annotated[
    int, typer.Option("--concurrency", min=1, max=64, help="Objects to copy at a time.")
]
_Verify = Annotated[
    bool, typer.Option("--verify", help="Read what TO has already, and replace what is damaged.")
]
_Delete = Annotated[
    bool, typer.Option("--delete", help="Remove tags and manifests of TO that FROM does not have.")
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", "-d", help="Count what would be done, change nothing.")
]
_AsJson = Annotated[
    bool, typer.Option("--json", help="Print a line of JSON for each failure, then the totals.")
]


def migrate_(
    source: _From,
    target: _To,
    repository: _Repositories = None,
    rate: _Rate = None,
    width: _Width = 8,
    verify: _Verify = False,
    delete: _Delete = False,
    dry_run: _DryRun = False,
    as_json: _AsJson = False,
) -> None:
    """Copy what the storage of FROM holds into that of TO, verified by its digests.

    Works while registries serve; run it again to copy what is new, or to go on. Stores are taken
    without a `mirror` or `cache` before them. Variables REGISTRY_* change FROM only. Exits with 1
    if something could not be copied.
    """
    with reported():
        wanted = globs(repository) if repository else None
        choice = Choice(wanted, verify=verify, delete=delete, dry_run=dry_run, width=width)
        pace = Pace(size("--rate", rate) or 0)
        here = store_of(source, copies=False, others=False)
        there = store_of(target, copies=False, others=False, environ={})
        _check_differ(here, there)
        output = _Output(choice, as_json=as_json)
        done = resumable(_migrate(here, there, choice, pace, output), _CONTINUED)
    output.end(done)
    raise typer.Exit(1 if done.failed else 0)


def _check_differ(here: Store, there: Store) -> None:
    """Raises ConfigurationError: if both are the same store by the same words."""
    storages = [store.configuration.storage for store in (here, there)]
    if storages[0].driver == storages[1].driver and storages[0].written == storages[1].written:
        raise ConfigurationError(
            f"FROM and TO name the same storage, {here.name!r} with the same parameters; "
            "TO is the configuration with the new one"
        )


async def _migrate(
    here: Store, there: Store, choice: Choice, pace: Pace, output: _Output
) -> Totals:
    work = "counting" if choice.dry_run else "copying"
    async with here.opening() as source, there.opening() as target:
        with progress(work, unit="bytes", as_json=output.as_json) as bar:
            output.bar = bar
            return await migrate(source, target, choice, output, pace)


class _Output:
    """Tells failures as they come, on standard error, and the totals."""

    def __init__(self, choice: Choice, *, as_json: bool) -> None:
        self.as_json = as_json
        self.bar: Bar | None = None
        self._choice = choice

    def passed(self, size: int) -> None:
        if self.bar is not None:
            self.bar.advance(size)

    def failed(self, key: str, reason: str) -> None:
        self._tell("failed", key, reason)

    def left_out(self, key: str, reason: str) -> None:
        self._tell("left out", key, reason)

    def end(self, done: Totals) -> None:
        if self.as_json:
            typer.echo(json.dumps(asdict(done)))
            return
        would = "would be " if self._choice.dry_run else ""
        told = [f"{done.copied:,} objects {would}copied ({amount(done.bytes, 'bytes')})"]
        told.append(f"{done.skipped:,} there already")
        if self._choice.delete:
            told.append(f"{done.deleted:,} {would}removed")
        if done.left_out:
            told.append(f"{done.left_out:,} left out, which point to what FROM does not have")
        told.append(f"{done.failed:,} failed")
        typer.echo(", ".join(told))

    def _tell(self, result: str, key: str, reason: str) -> None:
        if self.as_json:
            typer.echo(json.dumps({"result": result, "key": key, "reason": one_line(reason)}))
        else:
            tell(result, [f"{key}: {one_line(reason)}"])
