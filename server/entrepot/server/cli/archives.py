"""`entrepot export` and `import`: repositories as OCI image layouts, for air-gapped sites."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from entrepot.core.admitting import chosen_admissions, open_admissions
from entrepot.core.archiving import (
    ArchiveError,
    Exported,
    Imported,
    Selection,
    export,
    import_from,
    open_source,
    open_target,
)
from entrepot.core.errors import ConfigurationError, NameInvalidError
from entrepot.core.lines import one_line
from entrepot.core.names import RepositoryName
from entrepot.core.read_only import Switch
from entrepot.core.registry import Registry, open_registry
from entrepot.server.cli.figures import amount
from entrepot.server.cli.interrupting import resumable
from entrepot.server.cli.opening import Store, store_of
from entrepot.server.cli.progress import progress
from entrepot.server.cli.reporting import reported, tell
from entrepot.server.rules import content_rules

_AGAIN = "what is whole is kept; run it again to go on"
_TAR_AGAIN = "a tar is written at once; run it again from the beginning"

Config = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG", help="The configuration whose storage is meant, as for `entrepot serve`."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a line of JSON.")]


def export_(
    config: Config,
    wanted: Annotated[
        list[str],
        typer.Argument(
            metavar="REPOSITORY[:TAG|@DIGEST]",
            help="What to export: `team/app`, `team/app:1.*`, `team/**`; without a tag, all tags.",
        ),
    ],
    to: Annotated[Path, typer.Option(metavar="DIR|FILE.tar", help="Where to write the layout.")],
    since: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE.tar|INDEX.json",
            help="An earlier export: leave out the blobs that it has.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write repositories into an OCI image layout, with what refers to their images.

    Every blob is verified. A folder that an earlier run wrote is gone on with, and what it names
    already stays in its index. Works while registries serve. Exits with 1 if an image could not
    be exported; the others are.
    """
    with reported():
        selections = _selections(wanted)
        work = _export(store_of(config, copies=False), selections, to, since, as_json=as_json)
        done = resumable(work, _TAR_AGAIN if to.suffix == ".tar" else _AGAIN)
    _end(done, f"exported to {to}", as_json=as_json)


def import_(
    config: Config,
    source: Annotated[
        Path, typer.Argument(metavar="DIR|FILE.tar", help="An OCI image layout, anybody's.")
    ],
    repository: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Where all of it goes; without: where its names say."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Push an OCI image layout into the store: verified, and with the configuration's rules.

    Works while registries serve; these do not send notifications of it. What is there already is
    passed over, so an interrupted import goes on. Exits with 1 if an image could not be imported;
    the others are.
    """
    with reported():
        into = _repository(repository)
        done = resumable(
            _import(store_of(config, copies=False), source, into, as_json=as_json), _AGAIN
        )
    _end(done, f"imported from {source}", as_json=as_json)


def _selections(wanted: Sequence[str]) -> list[Selection]:
    found: list[Selection] = []
    mistakes: list[str] = []
    for text in wanted:
        try:
            found.append(Selection.parse(text))
        except ValueError as error:
            mistakes.append(f"{text!r}: {error}")
    if mistakes:
        raise ConfigurationError(*mistakes)
    return found


def _repository(name: str | None) -> RepositoryName | None:
    try:
        return None if name is None else RepositoryName.parse(name)
    except NameInvalidError as error:
        raise ConfigurationError(f"--repository: {error}") from None


async def _export(
    store: Store, wanted: list[Selection], to: Path, since: Path | None, *, as_json: bool
) -> Exported:
    with ExitStack() as stack:
        enter = stack.enter_context
        earlier = enter(open_source(since, index_alone=True)) if since is not None else None
        bar = enter(progress("exporting", unit="bytes", as_json=as_json))
        async with _opened(store) as registry, open_target(to) as target:
            return await export(registry, wanted, target, earlier, bar.advance)


async def _import(
    store: Store, path: Path, into: RepositoryName | None, *, as_json: bool
) -> Imported:
    if store.configuration.storage.maintenance.readonly.enabled:
        raise ArchiveError("the configuration says storage.maintenance.readonly: nothing is pushed")
    with (
        open_source(path) as source,
        progress("importing", unit="bytes", as_json=as_json) as bar,
    ):
        async with _opened(store) as registry:
            switch = Switch(registry.driver)

            async def check() -> None:
                found = await switch.find()
                if found is not None:
                    reason = f": {found.reason}" if found.reason else ""
                    raise ArchiveError(f"the store is read-only{reason}; {_AGAIN}")

            return await import_from(registry, source, into, told=bar.advance, before=check)


@asynccontextmanager
async def _opened(store: Store) -> AsyncGenerator[Registry, None]:
    """The registry of a configuration, which takes what `entrepot serve` would take."""
    admitting = chosen_admissions(store.configuration, store.plugins)
    async with (
        store.opening() as driver,
        open_admissions(admitting) as admissions,
        open_registry(
            driver, content_rules(store.configuration), store.name, admissions=admissions
        ) as registry,
    ):
        yield registry


def _end(done: Exported | Imported, what: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(done)))
    else:
        size = amount(done.size, "bytes")
        told = f"{what}: {done.names} images by name, {done.written} blobs written, {size}"
        left_out = done.left_out if isinstance(done, Exported) else 0
        typer.echo(told + (f", {left_out} left out" if left_out else ""))
    tell("error", map(one_line, done.failures))  # in which names are that anybody wrote
    if done.failures:
        raise typer.Exit(1)
