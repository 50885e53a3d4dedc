"""Addresses and sockets to listen on: what is taken, and what is refused before the start."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from entrepot.core.configuration import Configuration, load
from entrepot.core.errors import ConfigurationError
from entrepot.server.servers.sockets import free_path, listen, listen_debug, take_passed


def configured(addr: str, **http: str) -> Configuration:
    given = {"HTTP_ADDR": addr} | {f"HTTP_{key}": value for key, value in http.items()}
    return load(None, {f"REGISTRY_{key}": value for key, value in given.items()}).configuration


def test_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        with pytest.raises(ConfigurationError, match=rf"^http.addr: .* {address}: .* in use$"):
            listen(configured(address))
        with pytest.raises(ConfigurationError, match=rf"^http.debug.addr: .* {address}: .* use$"):
            listen_debug(address)


def test_port_of_workers_is_not_shared_with_other_servers() -> None:
    with listen(configured("127.0.0.1:0", WORKERS="2")) as ours:
        port = ours.of(0).getsockname()[1]

        with pytest.raises(ConfigurationError, match="in use"):
            listen(configured(f"127.0.0.1:{port}", WORKERS="2"))


def test_port_0_becomes_a_free_one() -> None:
    with listen(configured("127.0.0.1:0")) as opened:
        port = opened.of(0).getsockname()[1]

        assert port > 0
        assert opened.shown == f"127.0.0.1:{port}"


def test_no_host_is_every_address_of_both_families() -> None:
    with listen(configured(":0")) as opened:
        port = opened.of(0).getsockname()[1]

        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port)).close()


def test_name_is_looked_up_and_an_unknown_one_refused() -> None:
    with listen(configured("localhost:0")) as opened:
        assert opened.of(0).getsockname()[0] in {"127.0.0.1", "::1"}

    with pytest.raises(ConfigurationError, match=r"^http.addr: cannot listen on no.invalid:0: "):
        listen(configured("no.invalid:0"))


def test_withdrawn_socket_of_a_worker_is_offered_again() -> None:
    with listen(configured("127.0.0.1:0", WORKERS="2")) as opened:
        port = opened.of(0).getsockname()[1]
        opened.withdraw(1)
        opened.withdraw(0)  # the last one stays

        assert opened.of(1).fileno() < 0
        assert opened.of(0).fileno() >= 0
        opened.offer(1)
        assert opened.of(1).getsockname()[1] == port


def test_socket_that_nobody_listens_on_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "registry.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    free_path(str(path))

    assert not path.exists()


def test_socket_in_use_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "registry.sock"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()

        with pytest.raises(ConfigurationError, match="listens"):
            listen(configured(str(path), NET="unix"))

    other = tmp_path / "file"
    other.touch()
    with pytest.raises(ConfigurationError, match="no socket"):
        listen(configured(str(other), NET="unix"))


def test_unix_socket_is_for_owner_and_group_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "registry.sock"

    with listen(configured(str(path), NET="unix")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()


def test_passed_socket_of_another_process_is_left_alone() -> None:
    environ = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1"}

    assert take_passed(environ) is None
    assert environ == {}
