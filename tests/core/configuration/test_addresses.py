"""Addresses to listen on."""

from __future__ import annotations

import pytest

from entrepot.core.configuration import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":5000", "", 5000),
        ("127.0.0.1:5000", "127.0.0.1", 5000),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("[::1]:5000", "::1", 5000),
        ("[::]:65535", "::", 65535),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("localhost:5000", "localhost", 5000),
    ],
)
def test_address_round_trip(text: str, host: str, port: int) -> None:
    address = Address.parse(text)

    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", ":5000"),
        ("5000", ":5000"),
        ("localhost", ":5000"),
        ("localhost:", ":5000"),
        (":http", ":5000"),
        ("http://localhost:5000", "in brackets|:5000"),
        ("::1:5000", "in brackets"),
        (":65536", "at most 65535"),
        (":-1", ":5000"),
        ("a b:5000", ":5000"),
    ],
)
def test_address_refused_with_what_to_write(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        Address.parse(text)
