"""`entrepot drivers`: the list; `check`, `bench` and `parameters` are modules of their own."""

from __future__ import annotations

import os

import typer
from rich.markup import escape

from entrepot.core.plugins import disabled_by, load_plugins
from entrepot.server.cli import driver_bench, driver_check, driver_parameters
from entrepot.server.cli.tables import show, table

app = typer.Typer(help="List, describe, check and measure storage drivers.")
app.command(name="parameters")(driver_parameters.show_parameters)
app.command()(driver_check.check)
app.command()(driver_bench.bench)
app.command()(driver_parameters.document)


@app.callback(invoke_without_command=True)
def list_drivers(context: typer.Context) -> None:
    """List the storage drivers that a configuration may name; or one of the commands below."""
    if context.invoked_subcommand is not None:
        return
    plugins = load_plugins(disabled_by(os.environ))
    by_name = {plugin.name: plugin for plugin in plugins.plugins}
    listed = table("driver", "aliases", "package", "version", "status")
    for name, driver in plugins.drivers.items():
        plugin = by_name[driver.plugin]
        aliases = ", ".join(driver.aliases)
        status = escape(driver.problem or ", ".join(filter(None, ("ok", driver.label))))
        listed.add_row(name, aliases, plugin.distribution, plugin.version, status)
    for plugin in plugins.plugins:
        if plugin.problem:
            problem = escape(plugin.problem)
            listed.add_row(plugin.name, "", plugin.distribution, plugin.version, problem)
    show(listed)
