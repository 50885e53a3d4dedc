"""Addresses and networks as they are written."""

from __future__ import annotations

import pytest

from entrepot.core.networks import address_of, is_in, network_of, networks_of


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::192.0.2.1", "::c000:201"),
    ],
)
def test_address_is_known_however_it_is_written(text: str, address: str) -> None:
    assert str(address_of(text)) == address


@pytest.mark.parametrize("text", ["", "testclient", "192.0.2.1:80", "10.0.0.0/8", "1" * 100])
def test_what_is_no_address_is_none(text: str) -> None:
    assert address_of(text) is None


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.1.2.3/32", "2001:db8::/32", "0.0.0.0/0"])
def test_network_is_taken_as_it_is_written(text: str) -> None:
    assert str(network_of(text)) == text


def test_address_is_a_network_of_one() -> None:
    assert [str(one) for one in networks_of(["10.1.2.3", "::1"])] == ["10.1.2.3/32", "::1/128"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("10.0.0.1/8", "'10.0.0.1/8' is an address in a network; write 10.0.0.0/8 for all of it"),
        ("2001:db8::1/32", "'2001:db8::1/32' is an address in a network; write 2001:db8::/32 for"),
        ("10.0.0.0/33", "'10.0.0.0/33' is no network; write it like 10.0.0.0/8"),
        ("intranet", "'intranet' is no network; write it like 10.0.0.0/8"),
        ("", "'' is no network; write it like 10.0.0.0/8"),
    ],
)
def test_what_is_no_network_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=rf"^{told}"):
        network_of(text)


@pytest.mark.parametrize(
    ("address", "found"),
    [("10.9.9.9", True), ("11.0.0.1", False), ("2001:db8::9", True), ("2001:db9::", False)],
)
def test_address_is_looked_for_in_networks_of_both_families(address: str, found: bool) -> None:
    one = address_of(address)
    assert one is not None

    assert is_in(one, networks_of(["10.0.0.0/8", "2001:db8::/32"])) is found
