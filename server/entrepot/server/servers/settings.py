"""What a configuration means for the server on one socket."""

from __future__ import annotations

import resource
import socket
from dataclasses import dataclass

from entrepot.core.configuration import Configuration
from entrepot.server.servers.idle import Room

HEADER_SECONDS = 30.0
"""A client that takes longer to send its headers is cut off, and one that is idle for so long."""

_MOST = 8192  # connections; 23 KiB each
_FILES = 65536  # open files at most, if the system allows


@dataclass(frozen=True, slots=True)
class Settings:
    """`http2` is spoken beside HTTP/1.1; `oldest` is a version of TLS as `minimumtls` has it."""

    socket: socket.socket
    room: Room
    http2: bool = False
    oldest: str = "tls1.2"
    verify: str = ""
    """`require` or `optional`: what is asked of clients that connect with TLS; else nothing."""
    suites: tuple[str, ...] = ()
    """Cipher suites of TLS 1.2 in OpenSSL's words; none: the server's choice."""


def room(configuration: Configuration) -> Room:
    """As many connections as half of the files that this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = max(16, min(_MOST, soft // 2 if soft > 0 else _MOST))
    return Room(connections, configuration.http.idletimeout.seconds)


def open_many_files() -> None:
    """Raise this process's limit of open files, as programs in Go do at their start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if 0 <= soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
