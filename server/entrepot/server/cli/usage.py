"""`entrepot du`: which repositories take how much of a store."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.markup import escape

from entrepot.core.accounting import Account, Holding, account
from entrepot.core.errors import ConfigurationError
from entrepot.core.globs import USER, Glob, Globs
from entrepot.server.cli.figures import amount
from entrepot.server.cli.interrupting import resumable
from entrepot.server.cli.opening import Store, StoreOfConfiguration, store_of
from entrepot.server.cli.progress import progress
from entrepot.server.cli.reporting import reported
from entrepot.server.cli.status import STOPPED
from entrepot.server.cli.tables import show, table

_FIGURES = ("manifests", "blobs", "size", "own", "shared")


def usage(
    config: StoreOfConfiguration = None,
    repository: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Show those only, like team/**; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how much each repository holds: what is its own, what others hold, too.

    Its own bytes would be freed with it. The largest comes first. Lists all links and blobs,
    whatever is shown, and reads nothing.
    """
    with reported():
        wanted = globs(repository or ["**"])
        found = resumable(_look(store_of(config, copies=False), as_json=as_json), STOPPED)
    holdings = [held for held in found.holdings if wanted.match(held.repository.text, "")]
    holdings.sort(key=lambda held: (-held.own, -held.logical))
    if as_json:
        typer.echo(json.dumps(_fields(found, holdings)))
    else:
        _show(found, holdings)


def globs(patterns: Iterable[str]) -> Globs:
    """Patterns of repositories' names, as an option gives them.

    Raises ConfigurationError: saying what is wrong with each.
    """
    parsed: list[Glob] = []
    mistakes: list[str] = []
    for pattern in patterns:
        try:
            glob = Glob.parse(pattern)
        except ValueError as error:
            mistakes.append(f"{pattern!r}: {error}")
            continue
        if glob.names_user:
            mistakes.append(f"{pattern!r}: nobody is {USER} here")
        parsed.append(glob)
    if mistakes:
        raise ConfigurationError(*mistakes)
    return Globs(parsed)


async def _look(store: Store, *, as_json: bool) -> Account:
    async with store.opening() as driver:
        with progress("listing", unit="objects", as_json=as_json) as bar:
            return await account(driver, bar.advance)


def _fields(found: Account, holdings: list[Holding]) -> dict[str, Any]:
    return {
        "repositories": [
            {
                "repository": held.repository.text,
                "manifests": held.manifests,
                "blobs": held.blobs,
                "bytes": {"logical": held.logical, "own": held.own, "shared": held.shared},
            }
            for held in holdings
        ],
        "store": {
            "repositories": len(found.holdings),
            "blobs": found.blobs,
            "bytes": {
                "logical": found.logical,
                "physical": found.physical,
                "unlinked": found.unlinked,
            },
            "missing": found.missing,
        },
    }


def _show(found: Account, holdings: list[Holding]) -> None:
    rows = table("repository", *_FIGURES, right=_FIGURES)
    for held in holdings:
        sizes = [amount(size, "bytes") for size in (held.logical, held.own, held.shared)]
        counts = [f"{count:,}" for count in (held.manifests, held.blobs)]
        rows.add_row(escape(held.repository.text), *counts, *sizes)
    show(rows)
    told = [
        f"{amount(found.physical, 'bytes')} on the store",
        f"{amount(found.unlinked, 'bytes')} of that in no repository",
    ]
    if found.missing:
        told.append(f"{found.missing:,} links to blobs that are not there")
    typer.echo(", ".join(told))
