"""`entrepot config`: check, show, schema."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer
import yaml

from entrepot.core.configuration import schema, shown
from entrepot.core.plugins import disabled_by, load_plugins
from entrepot.server.cli.reporting import reported
from entrepot.server.cli.serve import ConfigurationFile, read

app = typer.Typer(no_args_is_help=True, help="Check, show or describe the configuration.")


Strict = Annotated[
    bool, typer.Option("--strict", help="Take warnings for mistakes, as a pipeline should.")
]


@app.command()
def check(config: ConfigurationFile = None, *, strict: Strict = False) -> None:
    """Say what is wrong with a configuration; exit with 1 if anything is.

    Each mistake and each warning is one line on standard error, with its path and its place:
    `path: what is wrong; what to do [file config.yml line 7]`. Nothing is opened or connected.
    """
    with reported():
        loaded, _ = read(config, load_plugins(disabled_by(os.environ)))
    warnings = len(loaded.notes)
    if strict and warnings:
        typer.echo(f"warnings: {warnings}, none is allowed with --strict", err=True)
        raise typer.Exit(1)
    typer.echo(f"the configuration is good{f', warnings: {warnings}' if warnings else ''}")


@app.command()
def show(config: ConfigurationFile = None) -> None:
    """Print the effective configuration, and in comments where each value comes from.

    Secrets are masked.
    """
    plugins = load_plugins(disabled_by(os.environ))
    with reported():
        loaded, _ = read(config, plugins)
    effective = shown(loaded, plugins.models)
    typer.echo(yaml.safe_dump(effective, sort_keys=False), nl=False)  # pyright: ignore[reportUnknownMemberType]
    for path, origin in sorted(loaded.origins.items()):
        if origin != "default":
            typer.echo(f"# {path}: {origin}")


@app.command(name="schema")
def print_schema() -> None:
    """Print a JSON Schema of the configuration, for editors."""
    plugins = load_plugins(disabled_by(os.environ))
    typer.echo(json.dumps(schema(plugins.models), indent=2))
