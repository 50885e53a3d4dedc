"""`entrepot plugins` and `entrepot drivers`."""

from __future__ import annotations

import os

import typer
from rich.console import Console
from rich.table import Table

from entrepot.core.plugins import Plugin, Plugins, disabled_by, load_plugins


def list_plugins() -> None:
    """List installed plug-ins: name, package, version, hooks, and what is wrong with them."""
    table = _table("plug-in", "package", "version", "hooks", "status")
    for plugin in _load().plugins:
        hooks = ", ".join(plugin.hooks)
        table.add_row(plugin.name, plugin.distribution, plugin.version, hooks, _status(plugin))
    _print(table)


def list_drivers() -> None:
    """List storage drivers that a configuration may name."""
    plugins = _load()
    by_name = {plugin.name: plugin for plugin in plugins.plugins}
    table = _table("driver", "package", "version", "status")
    for name, driver in plugins.drivers.items():
        plugin = by_name[driver.plugin]
        names = ", ".join([name, *driver.aliases])
        table.add_row(names, plugin.distribution, plugin.version, _status(plugin))
    for plugin in plugins.plugins:
        if plugin.problem:
            table.add_row("", plugin.distribution, plugin.version, _status(plugin))
    _print(table)


def _load() -> Plugins:
    return load_plugins(disabled_by(os.environ))


def _status(plugin: Plugin) -> str:
    return plugin.problem or "ok"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _print(table: Table) -> None:
    console = Console()
    if not console.is_terminal:  # piped into another program: no folding
        console = Console(width=10_000)
    console.print(table)
    if not table.row_count:
        typer.echo("none", err=True)
