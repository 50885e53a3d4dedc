"""`entrepot drivers parameters` and `document`: what a driver's section may contain."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.markup import escape

from entrepot.core.errors import ConfigurationError
from entrepot.core.parameters import filled, markdown, parameters
from entrepot.core.plugins import disabled_by, load_plugins
from entrepot.server.cli.reporting import reported, tell
from entrepot.server.cli.tables import show, table


def show_parameters(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The driver's name or alias.")],
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a table for documentation.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Describe the parameters of a driver: key, type, default, meaning, environment variable."""
    plugins = load_plugins(disabled_by(os.environ))
    with reported():
        options = plugins.models.drivers.get(name) or plugins.driver(name).options
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in parameters(name, options)], indent=2))
    elif as_markdown:
        typer.echo(markdown(name, options), nl=False)
    else:
        shown = table("key", "type", "default", "meaning", "variable")
        for row in parameters(name, options):
            default = "(required)" if row.required else row.default
            cells = (row.key, row.type, default, row.meaning, row.variable)
            shown.add_row(*(escape(cell.replace("`", "")) for cell in cells))
        show(shown)


def document(
    pages: Annotated[list[Path], typer.Argument(metavar="FILE", help="Markdown files.")],
) -> None:
    """Renew the parameter tables in Markdown files.

    A table is written between the lines `<!-- parameters: NAME -->` and `<!-- /parameters -->`;
    the rest of the file stays as it is.
    """
    models = load_plugins(disabled_by(os.environ)).models.drivers
    with reported():
        for page in pages:
            _renew(page, models)


def _renew(page: Path, models: Mapping[str, type[BaseModel]]) -> None:
    try:
        before = page.read_text(encoding="utf-8")
        after = filled(before, models)
        if after != before:
            page.write_text(after, encoding="utf-8")
            tell("written", [str(page)])
    except KeyError as error:
        raise ConfigurationError(f"{page}: no driver named {error} is installed") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"{page}: {reason}") from None
