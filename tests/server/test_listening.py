"""Addresses and sockets to listen on: what is taken, and what is refused before the start."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from entrepot.core.configuration import Address
from entrepot.server.listening import free_address, free_path


def test_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(OSError, match="in use"):
        free_address(Address("127.0.0.1", server.getsockname()[1]))


def test_port_0_becomes_a_free_one() -> None:
    host, port = free_address(Address("127.0.0.1", 0))

    assert host == "127.0.0.1"
    assert port > 0


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

        with pytest.raises(OSError, match="listens"):
            free_path(str(path))

    other = tmp_path / "file"
    other.touch()
    with pytest.raises(FileExistsError):
        free_path(str(other))
