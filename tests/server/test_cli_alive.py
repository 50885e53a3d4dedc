"""`entrepot alive` asks the registry of a configuration, and says why it does not answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from entrepot.server.cli import app
from entrepot.server.testing import RunningRegistry


def run(*arguments: str, **variables: str) -> Result:
    return CliRunner(env=variables).invoke(app, ["alive", *arguments])


def test_running_registry_is_alive_and_ready(entrepot_registry: RunningRegistry) -> None:
    for arguments in ((), ("--ready",)):
        result = run(*arguments, REGISTRY_HTTP_ADDR=entrepot_registry.address)

        assert result.exit_code == 0, result.output
        assert result.output == ""


def test_address_that_nobody_listens_at_is_not_alive() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"

    result = run(REGISTRY_HTTP_ADDR=address)

    assert result.exit_code == 1
    assert "no answer" in result.output


def test_missing_socket_is_not_alive(tmp_path: Path) -> None:
    variables = {"REGISTRY_HTTP_NET": "unix", "REGISTRY_HTTP_ADDR": str(tmp_path / "gone.sock")}

    result = run(**variables)

    assert result.exit_code == 1
    assert "no answer" in result.output


def test_configuration_that_is_wrong_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("version: 0.1\nstorage: inmemory\nhttp: {adr: x}\n")

    result = run(str(file))

    assert result.exit_code == 1
    assert "did you mean" in result.output


class Unready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 503)
        self.end_headers()
        self.wfile.write(b"draining\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Say nothing."""


@contextmanager
def unready() -> Generator[str, None, None]:
    with HTTPServer(("127.0.0.1", 0), Unready) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("arguments", "status"), [((), 0), (("--ready",), 1)])
def test_draining_registry_is_alive_and_not_ready(arguments: tuple[str, ...], status: int) -> None:
    with unready() as address:
        result = run(*arguments, REGISTRY_HTTP_ADDR=address)

    assert result.exit_code == status
    assert ("503: draining" in result.output) == bool(status)
