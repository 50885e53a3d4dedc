"""Where to listen, tried before the server is started, so that a mistake has a message."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Callable, Mapping
from typing import Any

from entrepot.core.configuration import Address


def free_address(address: Address) -> tuple[str, int]:
    """Host and port that can be listened on; port 0 becomes a free one.

    Raises OSError: if it is in use, not ours or not allowed.
    """
    host = address.host or "0.0.0.0"  # noqa: S104 - it is what `:5000` means
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, address.port))
        port: int = probe.getsockname()[1]
    return host, port


def free_path(path: str) -> None:
    """Remove a socket that a server killed earlier left at this path.

    Raises OSError: if somebody listens there, or something else than a socket is there.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(17, "something that is no socket is there", path)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(98, "a server listens there", path)


def when_answering(where: Mapping[str, Any], act: Callable[[], None]) -> None:
    """Do something once a server answers at an `address` and `port`, or at the path `uds`.

    Blocks until then; a connection alone does not count, the system takes those earlier.
    """
    while not _answers(where):
        time.sleep(0.05)
    act()


def _answers(where: Mapping[str, Any]) -> bool:
    family = socket.AF_INET6 if ":" in where.get("address", "") else socket.AF_INET
    try:
        with socket.socket(socket.AF_UNIX if "uds" in where else family) as probe:
            probe.settimeout(60)
            probe.connect(str(where["uds"]) if "uds" in where else _reachable(where))
            probe.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return probe.recv(8) == b"HTTP/1.1"
    except OSError:
        return False


def _reachable(where: Mapping[str, Any]) -> tuple[str, int]:
    """An address of this machine that a server on all its addresses can be reached at."""
    host: str = where["address"]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), where["port"]  # noqa: S104
