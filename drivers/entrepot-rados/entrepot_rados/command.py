"""The command `entrepot-rados`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from entrepot.core import RegistryError
from entrepot.core.configuration import driver_options, load
from entrepot.core.plugins import disabled_by, load_plugins
from entrepot_rados.binding import Binding
from entrepot_rados.errors import translating
from entrepot_rados.opening import connected, imported
from entrepot_rados.options import RadosOptions
from entrepot_rados.reindex import reindex, spread


def main(arguments: Sequence[str] | None = None) -> int:
    """Gives the status to exit with; errors are told in one line each."""
    asked = _parser().parse_args(arguments)
    try:
        print(reindexed(options_of(asked.config), imported(), asked.shards))  # noqa: T201
    except RegistryError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def reindexed(options: RadosOptions, binding: Binding, shards: int | None) -> str:
    with translating(""), connected(options, binding) as store:
        if shards is None or shards == store.index.layout.shards:
            return str(reindex(store))
        return str(reindex(spread(store, shards)))


def options_of(config: str) -> RadosOptions:
    """Raises ConfigurationError: if the configuration is wrong or of another driver."""
    plugins = load_plugins(disabled_by(os.environ))
    storage = load(config, os.environ, plugins.models).configuration.storage
    if storage.driver != "rados":
        raise RegistryError(f"{config}: the storage is {storage.driver!r}, not 'rados'")
    return driver_options(storage, RadosOptions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="entrepot-rados")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "reindex", help="make the list of keys anew, and remove what belongs to nothing"
    )
    command.add_argument("config", metavar="CONFIG", help="as for `entrepot serve`")
    command.add_argument(
        "--shards",
        type=_shards,
        metavar="N",
        help="spread the list over so many objects; stop all registries before",
    )
    return parser


def _shards(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 256:
        raise argparse.ArgumentTypeError("from 1 to 256")
    return number
