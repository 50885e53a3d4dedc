"""Loopback ports for the storage servers: free ones, in a row, where nobody connects from."""

from __future__ import annotations

import random
import socket
import urllib.error
import urllib.request

from tests.services.definition import ServiceError

__all__ = ["HOST", "answers", "choose", "greets", "is_free"]

HOST = "127.0.0.1"
_RANGE = range(20_000, 32_000)  # below the ports that Linux gives to outgoing connections
_TRIES = 200


def choose(count: int) -> int:
    """The first of so many free ports in a row."""
    for _ in range(_TRIES):
        first = random.choice(_RANGE)
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise ServiceError(f"no {count} free ports in a row between {_RANGE.start} and {_RANGE.stop}")


def is_free(port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def answers(url: str, *, containing: bytes = b"", statuses: tuple[int, ...] = (200,)) -> bool:
    """Whether a GET is answered by one of these statuses, and with this text in its body."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status in statuses and containing in answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code in statuses
    except (OSError, ValueError):
        return False


def greets(port: int, greeting: bytes) -> bool:
    """Whether a server there says this as soon as one connects."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            return connection.recv(len(greeting)) == greeting
    except OSError:
        return False
