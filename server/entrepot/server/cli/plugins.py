"""`entrepot plugins`: the list of what is installed."""

from __future__ import annotations

import os

import typer
from rich.markup import escape

from entrepot.core.plugins import disabled_by, load_plugins
from entrepot.server.cli import new_plugin
from entrepot.server.cli.tables import show, table

app = typer.Typer(help="List plug-ins, or begin one.")
app.command()(new_plugin.new)


@app.callback(invoke_without_command=True)
def list_plugins(context: typer.Context) -> None:
    """List installed plug-ins: name, package, version, hooks, and what is wrong with them."""
    if context.invoked_subcommand is not None:
        return
    listed = table("plug-in", "package", "version", "hooks", "status")
    for plugin in load_plugins(disabled_by(os.environ)).plugins:
        status = escape(plugin.problem or "; ".join(plugin.unmet) or "ok")
        hooks = ", ".join(plugin.hooks)
        listed.add_row(plugin.name, plugin.distribution, plugin.version, hooks, status)
    show(listed)
