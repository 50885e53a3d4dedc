"""`entrepot retention`: which tags expire, and why."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from entrepot.core.errors import ConfigurationError
from entrepot.core.registry import Rules, open_registry
from entrepot.core.retention import Decision, Retained, retain
from entrepot.core.tag_rules import TagRules
from entrepot.server.cli.figures import duration
from entrepot.server.cli.interrupting import resumable
from entrepot.server.cli.opening import Store, StoreOfConfiguration, store_of
from entrepot.server.cli.progress import progress
from entrepot.server.cli.reporting import reported
from entrepot.server.cli.tables import show, table

_CONTINUED = "run it again, and it goes on with what is left"
_SHOWN = 1000  # tags in the table; the rest is counted


def retention(
    config: StoreOfConfiguration = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", "-d", help="Show every tag and what decides, remove nothing."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each tag.")] = (
        False
    ),
) -> None:
    """Remove the tags that expire by the rules of `policy.tags`, now.

    Works while registries serve. Without `--dry-run`, only what was removed is shown. What a tag
    pointed to is left to garbage collection. Exits with 1 if a tag could not be removed.
    """
    with reported():
        store = store_of(config)
        rules = TagRules(store.configuration.policy.tags)
        if not rules.expires:
            raise ConfigurationError(
                "policy.tags: no rule lets a tag expire; add one with `keep` or `expire`"
            )
        output = _Output(all_of_them=dry_run, as_json=as_json)
        try:
            done = resumable(_retain(store, rules, output, dry_run=dry_run), _CONTINUED)
        finally:
            output.end()
    verb = "would be removed" if dry_run else "removed"
    typer.echo(f"{done.removed:,} of {done.seen:,} tags {verb}", err=as_json)
    if done.failed:
        typer.echo(f"{done.failed:,} could not be removed", err=True)
        raise typer.Exit(1)


async def _retain(store: Store, rules: TagRules, output: _Output, *, dry_run: bool) -> Retained:
    async with (
        store.opening() as driver,
        open_registry(driver, Rules(tags=rules), store.name) as registry,
    ):
        with progress("looking at tags", unit="tags", as_json=output.as_json) as bar:

            def told(decision: Decision) -> None:
                bar.advance()
                output.add(decision)

            return await retain(registry, time.time(), dry_run=dry_run, told=told)


class _Output:
    """Shows tags, as they are decided with `as_json`, else in a table at the end."""

    def __init__(self, *, all_of_them: bool, as_json: bool) -> None:
        self.as_json = as_json
        self._all = all_of_them
        self._now = time.time()
        self._table = table("tag", "pushed", "decision", "why", right=("pushed",))

    def add(self, decision: Decision) -> None:
        if not (self._all or decision.expires):
            return
        if self.as_json:
            typer.echo(json.dumps(_fields(decision)))
        elif self._table.row_count < _SHOWN:
            self._table.add_row(
                escape(f"{decision.repository}:{decision.tag}"),
                f"{duration(max(0, round(self._now - decision.pushed)))} ago",
                "remove" if decision.expires else "keep",
                escape("; ".join(_deciding(decision))),
            )

    def end(self) -> None:
        if self._table.row_count:
            show(self._table)


def _deciding(decision: Decision) -> list[str]:
    """What decides: all that lets a tag go, or what keeps it."""
    found = [str(reason) for reason in decision.reasons if decision.expires or reason.keeps]
    return found or ["no rule lets it expire"]


def _fields(decision: Decision) -> dict[str, object]:
    return {
        "repository": decision.repository.text,
        "tag": decision.tag.text,
        "pushed": datetime.fromtimestamp(decision.pushed, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "decision": "remove" if decision.expires else "keep",
        "reasons": [
            {"rule": reason.rule, "keeps": reason.keeps, "why": reason.text}
            for reason in decision.reasons
        ],
    }
