"""`entrepot alive`: whether the registry of a configuration answers, for containers' health."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from typing import Annotated

import typer

from entrepot.core.configuration import Configuration, load
from entrepot.core.plugins import disabled_by, load_plugins
from entrepot.server.cli.reporting import reported
from entrepot.server.cli.serve import ConfigurationFile

_SECONDS = 4.0  # Docker's own limit is often 5
_ANYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - listened on


def alive(
    config: ConfigurationFile = None,
    ready: Annotated[
        bool, typer.Option("--ready", help="Whether it can serve, with all that it needs, too.")
    ] = False,
) -> None:
    """Exit with 0 if the registry of this configuration answers on this machine, else with 1.

    For a container's health check. A registry that is draining or whose storage is gone is
    alive, and not ready.
    """
    with reported():
        plugins = load_plugins(disabled_by(os.environ))
        configuration = load(config, os.environ, plugins.models).configuration
    problem = _problem(configuration, "/readyz" if ready else "/livez")
    if problem:
        typer.echo(problem, err=True)
        raise typer.Exit(1)


def _problem(configuration: Configuration, path: str) -> str:
    """Why the registry does not answer as it should; empty if it does."""
    connection = http.client.HTTPConnection("localhost", timeout=_SECONDS)
    try:
        connection.sock = _connected(configuration)
        connection.request("GET", path)
        answer = connection.getresponse()
        said = answer.read(1000).decode("utf-8", "replace").strip()
    except ssl.SSLError as error:
        if "CERTIFICATE_REQUIRED" in str(error):  # it answers, though not to us
            return ""
        return f"no answer: {error.reason}"
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if answer.status == 200 else f"{answer.status}: {said}"


def _connected(configuration: Configuration) -> socket.socket:
    where = configuration.http
    if where.address is None:
        return _at_path(where.addr)
    host = _ANYWHERE.get(where.address.host, where.address.host)
    plain = socket.create_connection((host, where.address.port), _SECONDS)
    if not (where.tls.certificate or where.tls.letsencrypt.hosts):
        return plain
    context = ssl.create_default_context()
    context.check_hostname = False  # it is this machine, whatever its certificate says
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(plain)
    except OSError:
        plain.close()
        raise


def _at_path(path: str) -> socket.socket:
    there = socket.socket(socket.AF_UNIX)
    try:
        there.settimeout(_SECONDS)
        there.connect(path)
    except OSError:
        there.close()
        raise
    return there
