"""Sockets to listen on: opened here, so that a mistake has a message, and shared with servers."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Self

from entrepot.core.configuration import Address, Configuration
from entrepot.core.errors import ConfigurationError

_LOG = logging.getLogger("entrepot.server")
BACKLOG = 1024
"""Connections that wait in the kernel until a server takes them."""

_FIRST_PASSED = 3  # sd_listen_fds(3): descriptors begin here
_QUIET, _BETWEEN, _PROBES = 60, 15, 4  # seconds, seconds, count: when a silent peer is dead
_MODE = 0o660  # of a Unix socket: its owner and its group connect


@dataclass(slots=True)
class Sockets:
    """What a listener listens on: one socket for all, or one for each of several workers.

    `shown` is the place in words; `path` that of a Unix socket, which `close` removes.
    """

    each: list[socket.socket]
    shown: str
    path: str = ""

    def of(self, worker: int) -> socket.socket:
        """The socket of a worker, counted from 0."""
        return self.each[worker % len(self.each)]

    def withdraw(self, worker: int) -> None:
        """Give a worker's own socket up: the kernel sends connections to the others'."""
        if sum(one.fileno() >= 0 for one in self.each) > 1:
            self.each[worker].close()

    def offer(self, worker: int) -> None:
        """Open a worker's socket again if it was withdrawn. Raises OSError."""
        if self.of(worker).fileno() >= 0:
            return
        other = next(one for one in self.each if one.fileno() >= 0)
        made = _bound(other.family, other.getsockname(), shared=True)
        made.listen(BACKLOG)
        self.each[worker] = made

    def close(self) -> None:
        """Listen no more in this process; processes that inherited a socket go on."""
        for one in self.each:
            one.close()
        if self.path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def listen(configuration: Configuration, environ: MutableMapping[str, str] = os.environ) -> Sockets:
    """The sockets of `http.addr`, or the one that systemd passed.

    Several workers have a socket each where the kernel spreads connections over them.

    Raises ConfigurationError: if the place cannot be listened on.
    """
    http = configuration.http
    try:
        if (passed := take_passed(environ)) is not None:
            return passed
        if (address := http.address) is not None:
            return _tcp(address, http.workers)
        return _unix(http.addr)
    except OSError as error:
        raise _refusal("http.addr", http.addr, error) from error


def listen_debug(addr: str) -> Sockets:
    """The socket of `http.debug.addr`. Raises ConfigurationError: as `listen`."""
    try:
        return _tcp(Address.parse(addr), 1)
    except OSError as error:
        raise _refusal("http.debug.addr", addr, error) from error


def take_passed(environ: MutableMapping[str, str]) -> Sockets | None:
    """The first listening socket that systemd passed to this process, if it did.

    The variables that tell of it are removed: children did not get it.
    Source: sd_listen_fds(3), as Distribution reads it.
    """
    count = _passed(environ)
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    if not count:
        return None
    if count > 1:
        _LOG.warning("systemd passed %d sockets, the first is used", count)
    passed = socket.socket(fileno=_FIRST_PASSED)
    if not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise OSError(22, "what systemd passed is no listening socket; write `Accept=no`")
    passed.set_inheritable(False)
    passed.setblocking(False)
    name = passed.getsockname()
    shown = os.fsdecode(name) if passed.family == socket.AF_UNIX else _shown(name)
    return Sockets([passed], shown)


def _passed(environ: Mapping[str, str]) -> int:
    count = environ.get("LISTEN_FDS", "")
    is_ours = environ.get("LISTEN_PID") == str(os.getpid())
    return int(count) if is_ours and count.isdecimal() else 0


def _refusal(key: str, place: str, error: OSError) -> ConfigurationError:
    reason = error.strerror or str(error)
    return ConfigurationError(f"{key}: cannot listen on {place}: {reason}")


def _tcp(address: Address, count: int) -> Sockets:
    """`count` sockets on one address where the kernel spreads connections, else one.

    The first is tried without sharing the port: another server there is a mistake.
    """
    family, place = _resolved(address)
    first = _bound(family, place, shared=False)
    port = first.getsockname()[1]
    if count > 1 and sys.platform == "linux":
        first.close()
        place = (place[0], port, *place[2:])
        bound = [_bound(family, place, shared=True) for _ in range(count)]
    else:
        bound = [first]
    for one in bound:
        one.listen(BACKLOG)
    host = f"[{address.host}]" if ":" in address.host else address.host
    return Sockets(bound, f"{host}:{port}")


def _resolved(address: Address) -> tuple[int, tuple[object, ...]]:
    """Family and place; IPv4 comes first, as Go has it. No host: both families, if there are."""
    if not address.host:
        if socket.has_dualstack_ipv6():
            return socket.AF_INET6, ("::", address.port)
        return socket.AF_INET, ("0.0.0.0", address.port)  # noqa: S104 - it is what `:5000` means
    kind, flags = socket.SOCK_STREAM, socket.AI_PASSIVE
    found = socket.getaddrinfo(address.host, address.port, type=kind, flags=flags)
    found.sort(key=lambda one: one[0] != socket.AF_INET)
    return found[0][0], found[0][4]


def _bound(family: int, place: tuple[object, ...], *, shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            only = 0 if place[0] == "::" else 1
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        _notice_dead_peers(made)
        made.setblocking(False)
        made.bind(place)
    except OSError:
        made.close()
        raise
    return made


def _notice_dead_peers(listening: socket.socket) -> None:
    """Connections inherit these from the socket that took them."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _QUIET)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _BETWEEN)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)


def _unix(path: str) -> Sockets:
    free_path(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o777 - _MODE)
        try:
            made.bind(path)
        finally:
            os.umask(before)
        made.setblocking(False)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return Sockets([made], path, path)


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


def _shown(name: tuple[str, int]) -> str:
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"
