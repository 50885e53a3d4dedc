"""`entrepot scrub`: whether a store holds what it should, and repairs of what it does not."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from entrepot.core.errors import ConfigurationError
from entrepot.core.lines import one_line
from entrepot.core.scrubbing.blobs import Part
from entrepot.core.scrubbing.findings import Finding
from entrepot.core.scrubbing.running import Plan, Report, scrubbing
from entrepot.core.scrubbing.sources import DriverSource, Source
from entrepot.core.threads import Threads
from entrepot.server.cli.figures import amount
from entrepot.server.cli.interrupting import resumable
from entrepot.server.cli.opening import Store, StoreOfConfiguration, store_of
from entrepot.server.cli.progress import progress
from entrepot.server.cli.reporting import reported, tell
from entrepot.server.cli.sizes import size
from entrepot.server.cli.tables import console
from entrepot.server.rules import content_rules

_CONTINUED = "run it again to go on where it stopped"
_WIDTHS = (8, 18)  # of the columns for the result and the kind
_COLOURS = {"wrong": "bold red", "repaired": "green", "harmless": "dim"}


_Sample = Annotated[
    str | None,
    typer.Option(metavar="SHARE", help="Hash the next part of all blobs only, like 5%."),
]
_Budget = Annotated[
    str | None,
    typer.Option("--bytes", metavar="SIZE", help="Hash the next blobs only, like 10GiB."),
]
_Rate = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Bytes to read in a second, like 50MiB.")
]
_Width = Annotated[
    int, typer.Option("--concurrency", min=1, max=64, help="Blobs to read at a time.")
]
_Only = Annotated[
    Literal["blobs", "repositories"] | None,
    typer.Option(help="Hash blobs only, or look at repositories only and hash none."),
]
_Repair = Annotated[
    bool, typer.Option("--repair", help="Repair what can be, without loss of anything.")
]
_From = Annotated[
    str | None,
    typer.Option("--from", metavar="URL", help="A registry to fetch damaged content from."),
]
_FromAuth = Annotated[
    Path | None,
    typer.Option(
        "--from-auth",
        metavar="FILE",
        help="Its credentials, as `docker login` keeps them. Or set ENTREPOT_FROM_USER and "
        "ENTREPOT_FROM_PASSWORD.",
    ),
]
_FromConfig = Annotated[
    Path | None,
    typer.Option(
        "--from-config",
        metavar="CONFIG",
        help="The configuration of a registry whose storage to fetch it from.",
    ),
]
_Restart = Annotated[
    bool, typer.Option("--restart", help="Begin anew, not where the last one stopped.")
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print a line of JSON for each finding.")]


def scrub(
    config: StoreOfConfiguration = None,
    sample: _Sample = None,
    bytes_: _Budget = None,
    rate: _Rate = None,
    width: _Width = 4,
    only: _Only = None,
    repair: _Repair = False,
    source: _From = None,
    source_auth: _FromAuth = None,
    source_config: _FromConfig = None,
    restart: _Restart = False,
    as_json: _AsJson = False,
) -> None:
    """Hash all blobs, and hold every link, tag, manifest and referrer against the others.

    Works while registries serve; deletes no content. Stopped, it goes on where it was. Exits
    with 1 if something is wrong still.
    """
    with reported():
        part = Part(_share(sample), size("--bytes", bytes_))
        from_ = _Source(source, source_auth, source_config)
        from_.check(repair=repair)
        store = store_of(config, copies=False)
        plan = Plan(
            part=part,
            rate=size("--rate", rate),
            width=width,
            blobs=only != "repositories",
            repositories=only != "blobs",
            repair=repair,
            restart=restart,
            platforms=content_rules(store.configuration).platforms,
        )
        output = _Output(as_json=as_json)
        report = resumable(_scrub(store, plan, from_, output), _CONTINUED)
    output.end(report, plan)
    raise typer.Exit(1 if report.wrong else 0)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where damaged content may come from, as the options say."""

    url: str | None
    auth: Path | None
    config: Path | None

    def check(self, *, repair: bool) -> None:
        """Raises ConfigurationError: if the options do not go together."""
        if self.url and self.config:
            raise ConfigurationError("--from and --from-config: give one of them")
        if self.auth and not self.url:
            raise ConfigurationError("--from-auth: it is for --from, which is not given")
        if (self.url or self.config) and not repair:
            raise ConfigurationError("--from: nothing is fetched without --repair")

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Source | None, None]:
        if self.url:
            from entrepot.server import peer  # noqa: PLC0415 - httpx2 only where it is needed

            url = peer.address_of(self.url)
            credentials = peer.credentials_of(url, os.environ, self.auth)
            async with peer.open_peer(url, credentials) as opened:
                yield opened
        elif self.config:
            other = store_of(self.config, copies=False, environ={})  # that is for this store
            async with other.opening() as driver:
                yield DriverSource(driver)
        else:
            yield None


async def _scrub(store: Store, plan: Plan, from_: _Source, output: _Output) -> Report:
    threads = Threads(os.cpu_count() or 1, "scrub")
    try:
        async with (
            from_.open() as source,
            store.opening() as driver,
            scrubbing(driver, threads, plan, output.add, source) as running,
        ):
            output.begin(running.report)
            if plan.blobs:
                total, as_json = plan.part.budget, output.as_json
                with progress("hashing", unit="bytes", total=total, as_json=as_json) as bar:
                    await running.hash_blobs(bar.advance)
            if plan.repositories:
                with progress("checking", unit="objects", as_json=output.as_json) as bar:
                    await running.check_repositories(bar.advance)
        return running.report
    finally:
        threads.close()


class _Output:
    """Shows findings as they come."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._console = console()
        self._is_empty = True

    def begin(self, report: Report) -> None:
        if report.continues is not None:
            moment = datetime.fromtimestamp(report.continues, UTC)
            tell("going on", [f"where the scrub of {moment:%Y-%m-%d %H:%M} UTC stopped"])

    def add(self, finding: Finding) -> None:
        if self.as_json:
            typer.echo(json.dumps(_fields(finding)))
            return
        if self._is_empty:
            self._row("result", "kind", "where: what; what can be done", "bold")
            self._is_empty = False
        result = "repaired" if finding.repaired else finding.severity
        failure = f"not repaired, {finding.failure}" if finding.failure else ""
        told = "; ".join(text for text in (finding.what, failure, finding.remedy) if text)
        self._row(result, finding.kind, f"{finding.where}: {one_line(told)}", _COLOURS[result])

    def end(self, report: Report, plan: Plan) -> None:
        """What was done, in lines."""
        done = f"{report.blobs:,} blobs hashed ({amount(report.bytes, 'bytes')}), "
        done += f"{report.repositories:,} repositories checked"
        counts = {"wrong": report.wrong, "harmless": report.harmless, "repaired": report.repaired}
        found = ", ".join(f"{count:,} {result}" for result, count in counts.items() if count)
        typer.echo(f"{done}: {found or 'nothing is wrong'}", err=self.as_json)
        if report.earlier:
            typer.echo(f"{report.earlier:,} of it were told before it was stopped", err=True)
        if plan.blobs and plan.is_part:
            share = f"{100 * report.share:.1f} %"
            typer.echo(f"{share} of all blobs done; the next run goes on", err=self.as_json)
        if report.unsaved:
            tell("warning", [f"where to go on could not be kept: {report.unsaved}"])

    def _row(self, result: str, kind: str, told: str, colour: str) -> None:
        grid = Table.grid(padding=(0, 1))
        for width in _WIDTHS:
            grid.add_column(width=width)
        grid.add_column(overflow="fold")
        grid.add_row(f"[{colour}]{result}[/]", escape(kind), escape(told))
        self._console.print(grid)


def _fields(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "where": finding.where,
        "what": finding.what,
        "remedy": finding.remedy,
        "repository": finding.repository or None,
        "digest": finding.digest or None,
        "repaired": finding.repaired,
        "failure": finding.failure or None,
    }


def _share(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        part = float(text.removesuffix("%")) / 100
    except ValueError:
        part = 0.0
    if not 0 < part <= 1 or not text.endswith("%"):
        raise ConfigurationError(f"--sample: {text!r} is no share; write one like 5% or 0.5%")
    return part
