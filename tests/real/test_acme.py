"""Certificates from a real authority: Pebble, which Let's Encrypt made for such tests."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from tests.real.authority import Pebble, eventually, open_pebble
from tests.real.programs import clean_environment, refused
from tests.real.servers import (
    Server,
    StartEntrepot,
    default_config,
    distribution_program,
    entrepot_command,
    free_port,
)

PAGE = Path(__file__).parents[2] / "docs" / "letsencrypt.md"
A, B = "a.example.com", "b.example.com"
BRIEF = 12  # seconds that certificates are valid, where they are renewed


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Generator[Pebble, None, None]:
    with open_pebble(tmp_path_factory.mktemp("pebble")) as opened:
        yield opened


Note = Callable[[Server], Server]


@pytest.fixture
def stopping() -> Generator[Note, None, None]:
    """Stops servers at the end of a test, so that the next one can have their addresses."""
    servers: list[Server] = []

    def note(server: Server) -> Server:
        servers.append(server)
        return server

    yield note
    for server in servers:
        server.stop()


def refusal(pebble: Pebble, folder: Path, http: dict[str, object]) -> str:
    """What a server says that does not start."""
    config = folder / "config.yml"
    given = default_config(folder / "root", "")
    config.write_text(json.dumps(given | {"http": {"addr": "127.0.0.1:0", **http}}))
    env = clean_environment() | pebble.env
    return refused(*entrepot_command(), "serve", config, env=env)


def errors(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith(("error", "Traceback"))]


def test_certificate_is_there_when_the_server_answers_and_is_kept(
    pebble: Pebble, entrepot_server: StartEntrepot, stopping: Note, tmp_path: Path
) -> None:
    before = pebble.orders
    http = pebble.tls(tmp_path / "cache", A, B)
    server = stopping(entrepot_server({"http": http}, env=pebble.env))

    first = pebble.shown(server.address, A)
    assert pebble.shown(server.address, B) == first
    port = server.address.rpartition(":")[2]
    assert f"docker push {A}:{port}/demo/image:1\n" in server.log_tail()
    server.stop()
    server.start()

    assert pebble.shown(server.address, B) == first
    assert pebble.orders == before + 1


def test_configuration_of_the_page_is_served(
    pebble: Pebble, entrepot_server: StartEntrepot, stopping: Note, tmp_path: Path
) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    moved = example.replace("/var/lib", str(tmp_path)).replace("  addr: :443\n", "")
    authority = {
        "REGISTRY_HTTP_TLS_LETSENCRYPT_DIRECTORYURL": pebble.values["url"],
        "REGISTRY_HTTP_TLS_LETSENCRYPT_HTTPADDR": f"127.0.0.1:{pebble.values['http_port']}",
    }

    server = stopping(entrepot_server(yaml.safe_load(moved), env=pebble.env | authority))

    host = "registry.example.com"
    assert pebble.shown(server.address, host).subject.rfc4514_string() == f"CN={host}"
    folder = tmp_path / "registry-letsencrypt"
    assert sorted(path.name for path in folder.iterdir()) == ["acme_account+key", host]


def test_certificate_of_the_cache_needs_no_authority(
    entrepot_server: StartEntrepot, stopping: Note, tmp_path: Path
) -> None:
    with open_pebble(tmp_path / "pebble") as pebble:
        http = pebble.tls(tmp_path / "cache", A)
        server = stopping(entrepot_server({"http": http}, env=pebble.env))
        first = pebble.shown(server.address, A)
        server.stop()
        pebble.stop()

        server.start()

        assert pebble.shown(server.address, A) == first


def test_two_servers_order_one_certificate(pebble: Pebble, tmp_path: Path) -> None:
    """The second one starts while the first one asks; either answers for both."""
    before = pebble.orders
    command, cache = entrepot_command(), tmp_path / "cache"
    servers = list[Server]()
    for number, where in enumerate(["", f"127.0.0.1:{free_port()}"]):
        address = f"127.0.0.1:{free_port()}"
        folder = tmp_path / str(number)
        config = default_config(folder / "root", address)
        config["http"] = {"addr": address, **pebble.tls(cache, A, httpaddr=where)}
        servers.append(Server(command, folder, folder / "root", config, address, pebble.env))
    with started_together(servers):
        shown = [pebble.shown(server.address, A) for server in servers]

    assert shown[0] == shown[1]
    assert pebble.orders == before + 1


@contextmanager
def started_together(servers: list[Server]) -> Generator[None, None, None]:
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Server.start, servers))
        yield
    finally:
        for server in servers:
            server.stop()


def test_certificate_is_renewed_although_the_authority_forgets_and_fails(
    entrepot_server: StartEntrepot, stopping: Note, tmp_path: Path
) -> None:
    """Half of all nonces are refused; the authority is away when a renewal is due."""
    with open_pebble(tmp_path / "pebble", BRIEF, 50) as pebble:
        http = pebble.tls(tmp_path / "cache", A) | {"workers": 2}
        server = stopping(entrepot_server({"http": http}, env=pebble.env))
        first = served(server)

        assert eventually(lambda: served(server) != first)

        pebble.stop()
        assert eventually(lambda: "not renewed" in server.log_tail(100_000))
        last = served(server)
        pebble.start()
        assert eventually(lambda: served(server) != last)

    log = server.log_tail(1_000_000)
    assert "Traceback" not in log
    assert "Connection refused; the old one, valid until" in log


def served(server: Server) -> str:
    """The certificate that a server shows, even if its time is over."""
    host, _, port = server.address.rpartition(":")
    return ssl.get_server_certificate((host, int(port)), timeout=20)


def test_refusal_ends_the_start_with_a_line(pebble: Pebble, tmp_path: Path) -> None:
    said = refusal(pebble, tmp_path, pebble.tls(tmp_path / "cache", "refused.example.com"))

    (line,) = errors(said)
    assert line.startswith(f"error: {pebble.values['url']}: ")
    assert "rejectedIdentifier" in line


def test_host_that_leads_elsewhere_ends_the_start_with_a_line(
    pebble: Pebble, tmp_path: Path
) -> None:
    elsewhere = f"127.0.0.1:{free_port()}"
    said = refusal(pebble, tmp_path, pebble.tls(tmp_path / "cache", A, httpaddr=elsewhere))

    (line,) = errors(said)
    assert f"http://{A} does not lead to http.tls.letsencrypt.httpaddr: connection: " in line
    left = sorted(path.name for path in (tmp_path / "cache").iterdir())
    assert left == ["acme+refusals", "acme_account+key"]


def test_stopping_while_the_authority_is_silent_leaves_no_claim(
    pebble: Pebble, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/dir"
        cache, config = tmp_path / "cache", tmp_path / "config.yml"
        http = pebble.tls(cache, A, url=url)
        given = default_config(tmp_path / "root", "")
        config.write_text(json.dumps(given | {"http": {"addr": "127.0.0.1:0", **http}}))
        with subprocess.Popen(
            [*entrepot_command(), "serve", config],
            env=clean_environment(),
            stderr=subprocess.PIPE,
        ) as process:
            silent.settimeout(30)
            with silent.accept()[0]:
                assert (cache / "acme+claim").exists()

                process.terminate()

                _, said = process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGTERM
    assert errors(said.decode()) == []
    assert not (cache / "acme+claim").exists()


def test_cache_that_cannot_be_written_to_ends_the_start_with_a_line(
    pebble: Pebble, tmp_path: Path
) -> None:
    before = pebble.orders
    said = refusal(pebble, tmp_path, pebble.tls(Path("/proc/nowhere"), A))

    (line,) = errors(said)
    assert line.startswith("error: http.tls.letsencrypt.cachefile: cannot write to /proc/nowhere")
    assert pebble.orders == before


def test_cache_goes_from_distribution_to_us(
    pebble: Pebble, entrepot_server: StartEntrepot, stopping: Note, tmp_path: Path
) -> None:
    with distribution(pebble, tmp_path) as address:
        first = pebble.shown(address, A)
    before = pebble.orders

    http = pebble.tls(tmp_path / "cache", A)
    server = stopping(entrepot_server({"http": http}, env=pebble.env))

    assert pebble.shown(server.address, A) == first
    assert pebble.orders == before


def test_cache_goes_from_us_to_distribution(
    pebble: Pebble, entrepot_server: StartEntrepot, stopping: Note, tmp_path: Path
) -> None:
    http = pebble.tls(tmp_path / "cache", A)
    server = stopping(entrepot_server({"http": http}, env=pebble.env))
    first = pebble.shown(server.address, A)
    before = pebble.orders

    with distribution(pebble, tmp_path) as address:
        assert pebble.shown(address, A) == first

    assert pebble.orders == before


@contextmanager
def distribution(pebble: Pebble, folder: Path) -> Generator[str, None, None]:
    """Distribution 3 on the address that the authority asks by tls-alpn-01."""
    address = f"127.0.0.1:{pebble.values['tls_port']}"
    config = default_config(folder / "root", address)
    http = pebble.tls(folder / "cache", A)
    config["http"] = {"addr": address, **http}
    file = folder / "distribution.yml"
    file.write_text(json.dumps(config))
    with subprocess.Popen(
        [distribution_program("3"), "serve", file],
        env=clean_environment() | pebble.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert eventually(lambda: _listens(address))
            yield address
        finally:
            process.terminate()


def _listens(address: str) -> bool:
    name, _, port = address.rpartition(":")
    try:
        socket.create_connection((name, int(port)), timeout=5).close()
    except OSError:
        return False
    return True
