"""Where failed logins come from, seen through proxies."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from tests.server.authorization.conftest import Start, ask

from entrepot.core.errors import ConfigurationError
from entrepot.core.networks import networks_of
from entrepot.server.authorization.addresses import client_address

PROXIES = networks_of(["10.0.0.0/8", "2001:db8::1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("2001:db8::1", ["2001:db8::2"], "2001:db8::2"),
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, "], "10.0.0.1"),
        ("10.0.0.1", [","], "10.0.0.1"),
        ("10.0.0.1", ["a," * 5000 + "203.0.113.9"], "203.0.113.9"),
        (None, ["203.0.113.9"], "203.0.113.9"),
        (None, [], ""),
        ("testclient", ["203.0.113.9"], "testclient"),
    ],
)
def test_address_is_the_nearest_that_is_no_proxy(
    peer: str | None, forwarded: list[str], address: str
) -> None:
    scope: dict[str, Any] = {
        "client": (peer, 1) if peer else None,
        "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded],
    }

    assert client_address(scope, PROXIES) == address


def test_nobody_is_believed_without_proxies() -> None:
    headers = [(b"x-forwarded-for", b"203.0.113.9")]

    assert client_address({"client": ("10.0.0.1", 1), "headers": headers}, ()) == "10.0.0.1"


def test_guesser_behind_a_proxy_locks_out_nobody_else(start: Start, users: Path, key: Path) -> None:
    options = {"htpasswd": str(users), "keys": [str(key)], "trustedproxies": ["127.0.0.0/8"]}
    client = start(address="127.0.0.1", auth={"entrepot": options})
    client.headers["X-Forwarded-For"] = "203.0.113.9"
    guesses = (ask(client, (f"user{number}", "wrong")).status_code for number in range(1000))
    refused = list(takewhile(lambda status: status == 401, guesses))

    assert 100 <= len(refused) < 1000  # the budget fills while passwords are hashed
    assert ask(client, ("alice", "s3cret")).status_code == 429
    client.headers["X-Forwarded-For"] = "203.0.113.9, 203.0.113.10"
    assert ask(client, ("alice", "s3cret")).status_code == 200


def test_proxy_that_is_no_network_is_told(start: Start, users: Path) -> None:
    options = {"htpasswd": str(users), "trustedproxies": ["10.0.0.1/8"]}

    with pytest.raises(ConfigurationError, match=r"trustedproxies\.0: .* write 10.0.0.0/8 "):
        start(auth={"entrepot": options})
