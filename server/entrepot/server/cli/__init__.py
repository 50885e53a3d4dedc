"""The command line: one module for each group of commands."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from entrepot.server.cli import (
    alive,
    archives,
    auth,
    collecting,
    configuration,
    delete,
    drivers,
    migrate,
    notifications,
    plugins,
    read_only,
    reindex,
    retention,
    scrub,
    serve,
    status,
    uploads,
    usage,
)

app = typer.Typer(
    no_args_is_help=True,
    help="An OCI and Docker registry whose storage is plug-ins.",
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # joins the lines of a paragraph
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve.serve)
app.command()(alive.alive)
app.command()(status.status)
app.command("du")(usage.usage)
app.command("export")(archives.export_)
app.command("import")(archives.import_)
app.command()(reindex.reindex)
app.command()(scrub.scrub)
app.command()(delete.delete)
app.command()(collecting.garbage_collect)
app.command()(collecting.undelete)
app.command("migrate")(migrate.migrate_)
app.command()(retention.retention)
app.add_typer(configuration.app, name="config")
app.add_typer(auth.app, name="auth")
app.add_typer(drivers.app, name="drivers")
app.add_typer(notifications.app, name="notifications")
app.add_typer(plugins.app, name="plugins")
app.add_typer(read_only.app, name="readonly")
app.add_typer(uploads.app, name="uploads")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"entrepot {installed_version('entrepot')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", "-v", help="Show the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    """Run the command line of this process."""
    app(prog_name="entrepot")
