"""`entrepot serve`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from entrepot.core.admitting import chosen_admissions
from entrepot.core.configuration import Configuration, Loaded, driver_options, load, located
from entrepot.core.driver import DriverOptions
from entrepot.core.errors import ConfigurationError
from entrepot.core.layers import layers
from entrepot.core.plugins import Plugins, disabled_by, load_plugins
from entrepot.server import serving
from entrepot.server.acme.wish import wish
from entrepot.server.app import CONFIGURATION_PATH
from entrepot.server.authentication.opening import authenticator_of
from entrepot.server.authorization.checking import check
from entrepot.server.cli.reporting import reported, tell
from entrepot.server.telling import audience

ConfigurationFile = Annotated[
    Path | None,
    typer.Argument(
        envvar=CONFIGURATION_PATH,
        metavar="CONFIG",
        help="Distribution's config.yml; without it, the filesystem under ./registry-data "
        "is served on 127.0.0.1:5000.",
    ),
]


def read(
    config: Path | None, plugins: Plugins, environ: Mapping[str, str] = os.environ
) -> tuple[Loaded, DriverOptions]:
    """The configuration and its driver's options; what is plugged in is checked, too.

    Raises ConfigurationError.
    """
    loaded = load(config, environ, plugins.models)
    tell("warning", loaded.notes)
    configuration = loaded.configuration
    looks: tuple[Callable[[], object], ...] = (
        lambda: plugins.driver(configuration.storage.driver),
        lambda: layers(configuration, plugins),
        lambda: authenticator_of(configuration, plugins),
        lambda: chosen_admissions(configuration, plugins),
        lambda: audience(configuration, plugins),
        lambda: check(configuration),
        lambda: wish(configuration),
    )
    found = [mistake for look in looks for mistake in _mistakes(look)]
    if found:
        raise ConfigurationError(*located(found, loaded))
    options = plugins.driver(configuration.storage.driver).options
    return loaded, driver_options(configuration.storage, options)


def _mistakes(look: Callable[[], object]) -> Iterable[str]:
    """What is wrong as far as one look tells."""
    try:
        look()
    except ConfigurationError as error:
        return error.mistakes
    return ()


def serve(config: ConfigurationFile = None) -> None:
    """Serve the registry until it is told to stop.

    REGISTRY_* variables override the file, e.g. REGISTRY_HTTP_ADDR=:5001 or
    REGISTRY_STORAGE=inmemory.
    """
    with reported():
        plugins = load_plugins(disabled_by(os.environ))
        loaded, options = read(config, plugins)
        greeting = _greeting(loaded.configuration, options)
        is_for_people = loaded.configuration.log.formatter == "text"

        def greet() -> None:
            if is_for_people:
                typer.echo(greeting, err=True)

        serving.serve(loaded.configuration, plugins, greet)


def _greeting(configuration: Configuration, options: DriverOptions) -> str:
    where = options.model_dump().get("rootdirectory", "")
    http = configuration.http
    address = http.address
    host = f"{address.host or '127.0.0.1'}:{address.port}" if address else f"unix:{http.addr}"
    place = f" in {os.path.abspath(where)}" if where else ""
    hosts = () if http.tls.certificate else http.tls.letsencrypt.hosts
    if hosts and address:
        host = hosts[0] if address.port == 443 else f"{hosts[0]}:{address.port}"
    plain = "" if http.tls.certificate or hosts else "--dest-tls-verify=false "
    return (
        f"Entrepot {version('entrepot')} listens on {http.addr}\n"
        f"  storage: {configuration.storage.driver}{place}\n"
        f"  first push: docker tag IMAGE {host}/demo/image:1 && docker push {host}/demo/image:1\n"
        f"          or: skopeo copy {plain}docker-daemon:IMAGE "
        f"docker://{host}/demo/image:1"
    )
