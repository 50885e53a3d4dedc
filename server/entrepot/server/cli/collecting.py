"""`entrepot garbage-collect` and `entrepot undelete`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Self

import typer

from entrepot.core.collecting.collection import Collected, Options, Watcher
from entrepot.core.collecting.collector import Collector
from entrepot.core.collecting.marking import Garbage, MarkReport
from entrepot.core.collecting.runs import Plan
from entrepot.core.collecting.sweeping import Swept
from entrepot.core.collecting.undeleting import condemned, rescue, rescue_all, restore
from entrepot.core.collecting.working import at_work, working
from entrepot.core.errors import ConfigurationError, ProtocolError, RegistryError
from entrepot.core.lines import one_line
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.read_only import Switch
from entrepot.core.registry import Registry, Rules, open_registry
from entrepot.server.cli.figures import amount, seconds_of
from entrepot.server.cli.interrupting import resumable
from entrepot.server.cli.opening import Store, StoreOfConfiguration, store_of
from entrepot.server.cli.progress import Bar, progress
from entrepot.server.cli.reporting import reported, tell
from entrepot.server.collecting import untagged_rules
from entrepot.server.scheduling import replica

_CONTINUED = (
    "nothing is lost; run it again to go on where it stopped, `entrepot undelete --all` takes "
    "back what is not deleted yet"
)
_NAMES = {"revision": "manifest", "layer": "layer link", "blob": "blob"}
_TICK = 0.5  # seconds

_DryRun = Annotated[
    bool, typer.Option("--dry-run", "-d", help="Show what would be deleted, and change nothing.")
]
_Untagged = Annotated[
    bool,
    typer.Option(
        "--delete-untagged", "-m", help="Delete manifests, too, that no tag leads to any more."
    ),
]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no line for each object.")]
_Grace = Annotated[
    str, typer.Option(metavar="TIME", help="What was written later than that before it stays.")
]
_Wait = Annotated[
    str,
    typer.Option(
        metavar="TIME", help="How long to wait before deleting: 90s at least, while it is served."
    ),
]
_Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="No registry writes to this storage meanwhile: delete at once, also what is young.",
    ),
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print a line of JSON for each object.")]


def garbage_collect(
    config: StoreOfConfiguration = None,
    dry_run: _DryRun = False,
    untagged: _Untagged = False,
    quiet: _Quiet = False,
    grace: _Grace = "1h",
    wait: _Wait = "2m",
    offline: _Offline = False,
    as_json: _AsJson = False,
) -> None:
    """Delete the content that nothing leads to any more, also while registries serve.

    Marks what is reachable, condemns the rest, waits, marks again and deletes what is still
    unreachable. Until then `entrepot undelete` takes it back. Stopped, or killed, it is gone on
    with by the next one. Exits with 1 if something could not be deleted.
    """
    with reported():
        store = store_of(config, copies=False)
        rules = untagged_rules(store.configuration) if untagged else None
        options = Options(
            0.0 if offline else seconds_of("--grace", grace),
            seconds_of("--wait", wait),
            rules,
            offline,
        )
        shown = _Shown(quiet=quiet, as_json=as_json)
        if dry_run:
            resumable(_dry_run(store, options, shown), "nothing was changed")
            return
        done = resumable(_collect(store, options, shown), _CONTINUED)
    shown.end(done)
    if done.failed:
        raise typer.Exit(1)


def undelete(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="The configuration whose storage is meant.")
    ],
    what: Annotated[
        str | None,
        typer.Argument(metavar="[DIGEST | REPOSITORY@DIGEST]", help="What to take back."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that a collection under way is about to delete.")
    ] = False,
) -> None:
    """Take back what garbage collection is about to delete, as long as it is not deleted.

    With REPOSITORY@DIGEST also a manifest that was deleted by a client, while the storage still
    has its bytes and those of what it names. What nothing leads to, a later collection condemns
    again: tag it.
    """
    with reported():
        if everything == (what is not None):
            raise ConfigurationError("give either a digest, REPOSITORY@DIGEST or --all")
        told = resumable(_undelete(store_of(config, copies=False), what), "run it again")
    typer.echo(told)


class _Shown(Watcher):
    """Shows a collection: its garbage on standard output, how far it is on standard error."""

    def __init__(self, *, quiet: bool, as_json: bool) -> None:
        self._quiet = quiet
        self.is_json = as_json
        self._stack = ExitStack()
        self._bar: Bar | None = None
        self._report: MarkReport | None = None
        self._counted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def tick(self) -> None:
        """Show how far the mark is."""
        if self._report is not None and self._bar is not None:
            report = self._report
            count = report.manifests + report.layers + report.blobs
            self._bar.advance(count - self._counted)
            self._counted = count

    def garbage(self, one: Garbage) -> None:
        if self._quiet:
            return
        if self.is_json:
            fields = {
                "kind": one.kind,
                "repository": one.repository,
                "digest": str(one.digest),
                "bytes": one.size,
                "reason": one.reason,
            }
            typer.echo(json.dumps(fields))
            return
        name = f"{one.repository}@{one.digest}" if one.repository else str(one.digest)
        typer.echo(f"{_NAMES[one.kind]} eligible for deletion: {name} ({one_line(one.reason)})")

    def marking(self, report: MarkReport, *, again: bool) -> None:
        self._show("marking again" if again else "marking", "objects")
        self._report, self._counted = report, 0

    def condemned(self, one: Garbage) -> None:
        self.garbage(one)

    def resumed(self, run: str, plan: Plan) -> None:
        self._say(f"going on with the collection {run}: {_counts(plan.keys)}")

    def published(self, run: str, plan: Plan) -> None:
        self._say(
            f"{_counts(plan.keys)} condemned, {amount(plan.bytes, 'bytes')}; until they are "
            "deleted, `entrepot undelete` takes them back"
        )

    def waiting(self, left: float) -> None:
        if self._bar is None or self._bar.unit != "seconds":
            self._show("waiting before the second mark", "seconds", round(left))
        if self._bar is not None and self._bar.total is not None:
            self._bar.advance(max(0, self._bar.total - round(left) - self._bar.done))

    def sweeping(self, plan: Plan) -> None:
        self._show("deleting", "objects", plan.total)

    def swept(self, swept: Swept) -> None:
        if self._bar is not None:
            self._bar.advance(len(swept.deleted) + len(swept.kept) + len(swept.failed))

    def end(self, done: Collected) -> None:
        """The result of all."""
        self._stack.close()
        self.end_of_mark()
        if self.is_json:
            fields: dict[str, Any] = {
                "run": done.run,
                "deleted": done.deleted,
                "freed": done.freed,
                "spared": done.spared,
                "rescued": done.rescued,
                "failed": done.failed,
                "ended": done.is_ended,
                "more": done.is_full,
            }
            typer.echo(json.dumps({"result": fields}))
            return
        if not done.run:
            typer.echo("there is no garbage")
            return
        typer.echo(
            f"{_counts(done.deleted)} deleted, {amount(done.freed, 'bytes')} freed; "
            f"{done.rescued} stay because something came to need them"
        )
        if done.failed:
            tell("error", [f"{done.failed} could not be deleted; the next collection tries again"])
        if not done.is_ended:
            tell("warning", ["another collector has claimed some of it; run it again in an hour"])
        if done.is_full:
            tell("warning", ["there is more garbage than one collection takes: run it again"])

    def _say(self, text: str) -> None:
        if not self.is_json:
            typer.echo(text, err=self._quiet)

    def _show(self, work: str, unit: str, total: int | None = None) -> None:
        self._stack.close()
        self.end_of_mark()
        bar = progress(work, unit=unit, total=total, as_json=self.is_json)
        self._bar = self._stack.enter_context(bar)

    def end_of_mark(self) -> None:
        """Repositories that the mark, which is over, left alone."""
        if self._report is not None:
            for left in self._report.left_alone:
                tell("warning", [f"{left.repository} is left alone: {one_line(left.reason)}"])
        self._report = None


async def _collect(store: Store, options: Options, shown: _Shown) -> Collected:
    async with store.opening() as driver:
        other = await at_work(driver)
        if other is not None:
            tell("note", [f"{one_line(other)} collects garbage, too; both share the work"])
        with shown:
            async with working(driver, replica()), _ticking(shown):
                return await Collector(driver, options, watcher=shown).collect()


async def _dry_run(store: Store, options: Options, shown: _Shown) -> None:
    counts = {"revision": 0, "layer": 0, "blob": 0}
    freed = 0
    async with store.opening() as driver:
        with shown:
            garbage = Collector(driver, options, watcher=shown).would_condemn(time.time())
            async with _ticking(shown), aclosing(garbage):
                async for one in garbage:
                    counts[one.kind] += 1
                    freed += one.size
                    shown.garbage(one)
        shown.end_of_mark()
    typer.echo(
        f"{_counts(counts)} would be deleted, {amount(freed, 'bytes')} freed", err=shown.is_json
    )


@asynccontextmanager
async def _ticking(shown: _Shown) -> AsyncGenerator[None, None]:
    async def tick() -> None:
        while True:
            await asyncio.sleep(_TICK)
            shown.tick()

    task = asyncio.create_task(tick())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _undelete(store: Store, what: str | None) -> str:
    async with store.opening() as driver, open_registry(driver, Rules(), store.name) as registry:
        await Switch(driver).check()
        if what is None:
            done = await rescue_all(driver)
            return f"{done.kept} objects are kept, {done.lost} are deleted already"
        repository, at, text = what.rpartition("@")
        try:
            digest = Digest.parse(text)
            if at:
                await restore(registry, RepositoryName.parse(repository), digest)
                return f"{what} is there again"
            return await _undelete_digest(registry, digest)
        except ProtocolError as error:
            raise RegistryError(error.message) from error


async def _undelete_digest(registry: Registry, digest: Digest) -> str:
    kept: list[str] = []
    async with aclosing(condemned(registry.driver, digest)) as garbage:
        async for one in garbage:
            await rescue(registry, one)
            kept.append(f"{_NAMES[one.kind]} of {one.repository}" if one.repository else "blob")
    if not kept:
        raise RegistryError(f"no collection under way is about to delete {digest}")
    return f"{digest} is kept: {', '.join(kept)}"


def _counts(keys: dict[Any, int]) -> str:
    return (
        f"{keys['revision']:,} manifests, {keys['layer']:,} layer links and {keys['blob']:,} blobs"
    )
