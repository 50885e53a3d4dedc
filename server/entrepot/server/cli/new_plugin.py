"""`entrepot plugins new`: a project that works, to begin a driver with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from entrepot.core.plugins import disabled_by, load_plugins
from entrepot.server.cli.reporting import reported
from entrepot.server.new_plugin import names, write

_MEANINGS = {
    ".py": "the driver: an SQLite file, to be replaced by your backend",
    "pyproject.toml": "the package and its entry point",
    "test_conformance.py": "the conformance suite on your driver",
    "README.md": "for its users",
    ".gitignore": "",
}


def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What the driver is called, like `tape`.")
    ],
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-d", help="Where to write it.  [./entrepot-NAME]"),
    ] = None,
) -> None:
    """Begin a plug-in: a project with a driver that works, its test and its packaging."""
    with reported():
        made = names(name, load_plugins(disabled_by(os.environ)))
        folder = directory or Path(made.package)
        written = write(made, folder)
    typer.echo(f"{made.package}, with a driver called {made.driver!r}:")
    for path in written:
        typer.echo(f"  {path!s:<48} {_meaning(path)}".rstrip())
    typer.echo(
        f"""\
Next:
  cd {folder}
  python -m venv .venv && . .venv/bin/activate    # unless you have one
  pip install -e ".[test]"
  pytest                                          # the contract, test by test
  REGISTRY_STORAGE={made.driver} entrepot serve
Then put your backend's calls into {made.module}.py and run pytest again."""
    )


def _meaning(path: Path) -> str:
    return next((text for end, text in _MEANINGS.items() if path.name == end), _MEANINGS[".py"])
