"""`entrepot drivers check`: the live probe, told check by check."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from entrepot.core.probe import Finding, Report, probe
from entrepot.server.cli.interrupting import leave, run
from entrepot.server.cli.opening import Store, StoreOfConfiguration, store_of
from entrepot.server.cli.reporting import reported, tell
from entrepot.server.cli.tables import console

_WIDTHS = (25, 8)  # of the columns for the check and its result
_COLOURS = {"ok": "green", "failed": "bold red", "limited": "yellow", "none": "dim"}
_BLOCKED = 30.0  # seconds past all bounds, after which the event loop itself must be blocked


def check(
    config: StoreOfConfiguration = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="The longest that opening, or one check, may take.")
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prove the driver contract against the live store of a configuration.

    Writes some 50 MiB below a folder of its own at the top of the store, entrepot-check-*, and
    removes them again; what a registry keeps there is not touched. Exits with 1 if a promise
    is broken, and with 0 if all hold; a limitation that the driver owns up to is shown only.
    """
    with reported():
        store = store_of(config)
        progress = _Progress(store.name, seconds, as_json=as_json)
        try:
            report = run(
                _probe(store, seconds, progress), store.name, seconds, lambda: progress.end(None)
            )
        finally:
            progress.stop()
    progress.end(report)
    if report.hung:
        leave(1)
    raise typer.Exit(0 if report.kept else 1)


async def _probe(store: Store, seconds: float, progress: _Progress) -> Report:
    with progress.shown():
        return await probe(store.opening, seconds=seconds, begun=progress.begun, told=progress.told)


class _Progress:
    """Rows as they come, and a watch that the event loop goes on at all."""

    def __init__(self, name: str, seconds: float, *, as_json: bool) -> None:
        self._name = name
        self._as_json = as_json
        self._bound = 2 * seconds + _BLOCKED
        self._findings: list[Finding] = []
        self._console = console()
        self._status = Console(stderr=True).status("opening")
        self._watch: threading.Timer | None = None

    @contextmanager
    def shown(self) -> Generator[None, None, None]:
        self.begun("opening")
        with self._status:
            yield

    def begun(self, check: str) -> None:
        self._status.update(f"{self._name}: {check}")
        self.stop()
        self._watch = threading.Timer(self._bound, self._give_up, [check])
        self._watch.daemon = True
        self._watch.start()

    def told(self, finding: Finding) -> None:
        self._findings.append(finding)
        if not self._as_json:
            if len(self._findings) == 1:
                self._row("check", "result", "what was seen")
            self._row(finding.check, finding.result, finding.detail)

    def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    def end(self, report: Report | None) -> None:
        """The verdict; None: interrupted."""
        if self._as_json:
            typer.echo(json.dumps(self._document(report), indent=2))
        elif report is None:
            tell("error", ["interrupted; not everything was checked"])
        else:
            self._console.print(f"\n{self._verdict(report)}", soft_wrap=True, markup=False)

    def _verdict(self, report: Report) -> str:
        counts = dict.fromkeys(_COLOURS, 0)
        for finding in report.findings:
            counts[finding.result] += 1
        if not report.kept:
            broken = counts["failed"]
            told = "1 promise is" if broken == 1 else f"{broken} promises are"
            return f"{self._name}: {told} broken; do not store images there"
        limited = f", {counts['limited']} limited" if counts["limited"] else ""
        return f"{self._name}: every promise is kept ({counts['ok']} ok{limited})"

    def _document(self, report: Report | None) -> dict[str, object]:
        return {
            "driver": self._name,
            "kept": report is not None and report.kept,
            "interrupted": report is None,
            "checks": [
                {
                    "check": finding.check,
                    "result": finding.result,
                    "detail": finding.detail,
                    "figures": dict(finding.figures),
                }
                for finding in self._findings
            ],
        }

    def _row(self, check: str, result: str, detail: str) -> None:
        grid = Table.grid(padding=(0, 1))
        for width in _WIDTHS:
            grid.add_column(width=width)
        grid.add_column(overflow="fold")
        grid.add_row(check, f"[{_COLOURS.get(result, 'bold')}]{result}[/]", escape(detail))
        self._console.print(grid)

    def _give_up(self, check: str) -> None:
        """Called in another thread: this one's event loop has not turned for too long."""
        reason = f"{self._name}: {check}: the driver blocks the event loop; nothing can be removed"
        tell("error", [reason])
        leave(1)
