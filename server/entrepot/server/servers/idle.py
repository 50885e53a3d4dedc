"""Connections that nobody uses are ended, so that there is always room for others.

HTTP/1 has time-outs of its own in the server. What it does not bound is ended here: a
connection on which nothing ever came, an idle one of HTTP/2, a client that stopped reading.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import socket
import stat
import struct
import sys
import termios
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

_LOG = logging.getLogger("entrepot.server")
_BETWEEN = 5.0  # seconds between two looks
_IDLE = 75.0  # seconds without a request
_CROWDED_IDLE = 5.0  # the same when most of the room is taken
_CROWDED = 0.75
_AGES = struct.Struct("=44xI4xI")  # of tcp_info: ms since data was sent last, and received
_ESTABLISHED, _CLOSE_WAIT = 1, 8

Peer = tuple[str, str]
"""Host and port of a client, as `peer` spells them."""


def peer(host: str, port: object) -> Peer:
    """A client's address; an IPv4 client of an IPv6 socket has its own again."""
    return host.removeprefix("::ffff:") if "." in host else host, str(port)


@dataclass(frozen=True, slots=True)
class Connection:
    """One of this process: `quiet` are seconds without data, `unsent` bytes that wait."""

    socket: socket.socket
    peer: Peer
    quiet: float
    unsent: int


@dataclass(frozen=True, slots=True)
class Room:
    """How many connections there may be, and how many seconds a client may not read."""

    connections: int
    stalled: float


async def end_idle(listening: socket.socket, busy: Collection[Peer], room: Room) -> None:
    """Look every few seconds; returns when cancelled. `busy` are those with a request."""
    if sys.platform != "linux" or listening.family == socket.AF_UNIX:
        return
    port = listening.getsockname()[1]
    while True:
        await asyncio.sleep(_BETWEEN)
        await asyncio.to_thread(_sweep, port, busy, room)


def _sweep(port: int, busy: Collection[Peer], room: Room) -> None:
    found = list(_connections(port))
    crowded = len(found) >= room.connections * _CROWDED
    idle = _CROWDED_IDLE if crowded else _IDLE
    ended = 0
    for one in found:
        with one.socket:
            limit = room.stalled if one.unsent else float("inf") if one.peer in busy else idle
            if one.quiet > limit:
                ended += 1
                with suppress(OSError):
                    one.socket.shutdown(socket.SHUT_RDWR)
    if crowded:
        told = (len(found), room.connections, ended)
        _LOG.warning("%d of %d connections are taken; ended %d idle ones", *told)


def _connections(port: int) -> Iterator[Connection]:
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if (found := _connection(int(name), port)) is not None:
                yield found


def _connection(descriptor: int, port: int) -> Connection | None:
    """The connection behind a descriptor, through one of our own; None: it is something else."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return None
    one = socket.socket(fileno=os.dup(descriptor))
    try:
        if one.family not in {socket.AF_INET, socket.AF_INET6} or one.getsockname()[1] != port:
            one.close()
            return None
        info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 60)
        if info[0] not in {_ESTABLISHED, _CLOSE_WAIT}:
            one.close()
            return None
        sent, received = _AGES.unpack_from(info)
        (unsent,) = struct.unpack("i", fcntl.ioctl(one, termios.TIOCOUTQ, bytes(4)))
        return Connection(one, peer(*one.getpeername()[:2]), min(sent, received) / 1000, unsent)
    except OSError:
        one.close()
        raise
