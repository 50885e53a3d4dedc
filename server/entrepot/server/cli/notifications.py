"""`entrepot notifications`: what waits for the endpoints, and what they did not take."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from entrepot.core.configuration import Configuration
from entrepot.core.errors import ConfigurationError, RegistryError
from entrepot.core.plugins import disabled_by, load_plugins
from entrepot.server.app import CONFIGURATION_PATH
from entrepot.server.cli.reporting import reported, tell
from entrepot.server.cli.serve import read
from entrepot.server.cli.tables import show, table
from entrepot.server.notifications.letters import DeadLetter
from entrepot.server.notifications.receivers import receivers

if TYPE_CHECKING:
    from entrepot.server.notifications.outbox import Outbox

app = typer.Typer(
    no_args_is_help=True,
    help="Events that wait for the endpoints of `notifications`, and dead letters: those that an "
    "endpoint did not take. All of this works while the registry serves.",
)

ConfigurationFile = Annotated[
    Path,
    typer.Argument(
        envvar=CONFIGURATION_PATH, metavar="CONFIG", help="The configuration of the registry."
    ),
]
Numbers = Annotated[
    list[int] | None, typer.Argument(help="Numbers as `list` shows them; without any, all.")
]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint", "-e", help="Only those for this endpoint.")
]


@app.command(name="list")
def list_letters(config: ConfigurationFile, endpoint: Endpoint = None) -> None:
    """List how many events wait for each endpoint, and the dead letters, the oldest first."""
    with _outbox(config, endpoint) as (outbox, names):
        listed = table("endpoint", "waiting", "dead", right=("waiting", "dead"))
        for name in names:
            room = outbox.room(name)
            listed.add_row(escape(name), str(room.pending), str(room.dead))
        show(listed)
        dead = table("number", "endpoint", "action", "of", "age", "reason", right=("number", "age"))
        for letter in outbox.dead(endpoint):
            dead.add_row(*_row(letter))
        if dead.row_count:
            typer.echo()
            show(dead)


@app.command()
def replay(config: ConfigurationFile, numbers: Numbers = None, endpoint: Endpoint = None) -> None:
    """Send dead letters again, behind all events that wait."""
    with _outbox(config, endpoint) as (outbox, _):
        done = outbox.replay(endpoint, numbers)
    _tell(done, numbers, "wait again")


@app.command()
def drop(
    config: ConfigurationFile,
    numbers: Numbers = None,
    endpoint: Endpoint = None,
    waiting: Annotated[
        bool,
        typer.Option(
            "--waiting", help="Delete the events that wait, too; for the --endpoint or for all."
        ),
    ] = False,
) -> None:
    """Delete dead letters."""
    with _outbox(config, endpoint) as (outbox, _):
        if waiting and numbers:
            raise ConfigurationError("--waiting and numbers exclude each other: drop either")
        done = outbox.drop(endpoint, numbers)
        if waiting:
            done += outbox.drop_waiting(endpoint)
    _tell(done, numbers, "deleted")


@contextmanager
def _outbox(config: Path, endpoint: str | None) -> Generator[tuple[Outbox, list[str]], None, None]:
    """The outbox of a configuration, and all endpoints that it is for or has something for."""
    from sqlite3 import Error  # noqa: PLC0415 - other commands need no database

    with reported():
        loaded, _ = read(config, load_plugins(disabled_by(os.environ)))
        configuration = loaded.configuration
        with closing(_open(configuration)) as outbox:
            names = sorted({one.name for one in receivers(configuration)} | {*outbox.endpoints()})
            if endpoint is not None and endpoint not in names:
                told = ", ".join(names) or "none"
                raise ConfigurationError(f"--endpoint: no endpoint {endpoint!r}; there are: {told}")
            try:
                yield outbox, [endpoint] if endpoint is not None else names
            except Error as error:
                raise RegistryError(f"notifications.outbox: {error}") from error


def _open(configuration: Configuration) -> Outbox:
    from entrepot.server.notifications.outbox import Bounds, Outbox  # noqa: PLC0415 - as above

    section = configuration.notifications.outbox
    if section.disabled:
        raise ConfigurationError(
            "notifications.outbox.disabled: events are in the registry's memory, and not to be "
            "seen from here"
        )
    if not os.path.isdir(section.path):
        raise ConfigurationError(
            f"notifications.outbox.path: there is no outbox in {os.path.abspath(section.path)}; "
            "run this where the registry runs, once it has served with `notifications.endpoints`"
        )
    return Outbox(section.path, Bounds(section.maxevents, section.maxbytes))


def _row(letter: DeadLetter) -> tuple[str, ...]:
    return (
        str(letter.number),
        escape(letter.endpoint),
        letter.action,
        escape(letter.subject),
        _age(time.time() - letter.moment),
        escape(letter.reason),
    )


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def _tell(done: int, numbers: list[int] | None, what: str) -> None:
    typer.echo(f"{done} event(s) {what}")
    if numbers and done < len(set(numbers)):
        tell("warning", [f"{len(set(numbers)) - done} of the numbers are no dead letters"])
