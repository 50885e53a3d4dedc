"""The certificate that must be there before anything is served."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.server.acme_fakes import DAY, HOSTS, LIFE, Kept, kept_in, outage, put, refusal

from entrepot.core.configuration import Address
from entrepot.server.acme.asking import AuthorityError
from entrepot.server.acme.keeper import Keeper
from entrepot.server.acme.wish import Wish


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return kept_in(tmp_path)


def test_first_certificate_is_obtained_and_stored(kept: Kept) -> None:
    kept.keeper.first()

    found = kept.cache.certificate()
    assert found is not None
    assert found.covers(HOSTS)
    assert kept.asking.asked == 1
    assert not kept.claim.exists()


def test_certificate_of_the_cache_is_used(kept: Kept) -> None:
    put(kept.cache, HOSTS)

    kept.keeper.first()

    assert kept.asking.asked == 0


def test_certificate_that_is_due_is_served_at_once(kept: Kept) -> None:
    put(kept.cache, HOSTS)
    kept.clock.go_to(LIFE - DAY)

    kept.keeper.first()

    assert kept.asking.asked == 0


@pytest.mark.parametrize("when", [LIFE, LIFE + DAY, -DAY])
def test_certificate_out_of_its_time_is_replaced_before_serving(
    kept: Kept, when: timedelta
) -> None:
    put(kept.cache, HOSTS)
    kept.clock.go_to(when)

    kept.keeper.first()

    assert kept.asking.asked == 1


def test_broken_certificate_is_replaced(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.cache.path.write_text("rubbish")

    kept.keeper.first()

    assert kept.asking.asked == 1
    assert caplog.messages[0] == (
        f"{kept.cache.path} cannot be used: there is no certificate in it"
    )


def test_refusal_of_the_first_certificate_is_final(kept: Kept) -> None:
    kept.asking.failures = [refusal()]

    with pytest.raises(AuthorityError, match="it does not want to"):
        kept.keeper.first()

    assert kept.asking.asked == 1
    assert not kept.claim.exists()


def refused(kept: Kept) -> str:
    """What is told of a start that ends with a refusal."""
    with pytest.raises(AuthorityError) as raised:
        kept.keeper.first()
    return str(raised.value)


def test_container_that_is_restarted_for_ever_does_not_ask_for_ever(kept: Kept) -> None:
    kept.asking.failures = [refusal() for _ in range(9)]
    for minute in range(4):
        kept.clock.go_to(timedelta(minutes=minute))
        assert refused(kept) == "it does not want to"

    kept.clock.go_to(timedelta(minutes=59))
    assert refused(kept) == (
        "it does not want to (refused 4 times within an hour; asked again after 01:00 UTC, or "
        f"once {kept.cache.folder}/acme+refusals is removed)"
    )
    assert kept.asking.asked == 4

    kept.clock.go_to(timedelta(minutes=60))
    assert refused(kept) == "it does not want to"
    assert kept.asking.asked == 5
    assert len((kept.cache.folder / "acme+refusals").read_text().splitlines()) == 4


def test_refusals_are_forgotten_with_the_first_certificate(kept: Kept) -> None:
    kept.asking.failures = [refusal()]
    refused(kept)

    kept.keeper.first()

    assert not (kept.cache.folder / "acme+refusals").exists()


def test_refusals_of_something_else_do_not_count(kept: Kept) -> None:
    kept.asking.failures = [refusal() for _ in range(4)]
    for _ in range(4):
        refused(kept)
    wish = Wish(HOSTS[:1], "", "https://authority.test/dir", kept.cache.folder, Address("", 80))

    Keeper(wish, kept.cache, lambda: kept.asking, kept.clock).first()

    assert kept.asking.asked == 5


@pytest.mark.parametrize("content", [b"\xff", b"rubbish", b"rubbish https://authority.test/dir"])
def test_damaged_refusals_do_not_count(content: bytes, kept: Kept) -> None:
    line = b"2030-01-01T00:00:00 https://authority.test/dir a.example.com,b.example.com why\n"
    (kept.cache.folder / "acme+refusals").write_bytes(line * 4 + content)

    kept.keeper.first()

    assert kept.asking.asked == 1


def test_refusal_is_told_if_it_cannot_be_noted(kept: Kept) -> None:
    (kept.cache.folder / "acme+refusals").mkdir()
    kept.asking.failures = [refusal()]

    assert refused(kept) == "it does not want to"


def test_authority_that_cannot_be_reached_is_asked_again(kept: Kept) -> None:
    kept.asking.failures = [outage(), outage()]

    kept.keeper.first()

    assert kept.asking.asked == 3


def test_authority_that_is_never_reached_is_given_up(kept: Kept) -> None:
    kept.asking.failures = [outage() for _ in range(100)]

    with pytest.raises(AuthorityError, match="Connection refused"):
        kept.keeper.first()

    assert kept.clock.passed <= 60


def test_stopping_ends_the_wait_for_the_first_certificate(kept: Kept) -> None:
    kept.asking.failures = [outage(), outage()]
    kept.clock.meanwhile = kept.keeper.close

    with pytest.raises(AuthorityError, match="stopped"):
        kept.keeper.first()

    assert kept.asking.asked == 1


def test_host_that_is_new_gets_a_certificate(kept: Kept) -> None:
    put(kept.cache, HOSTS[:1])

    kept.keeper.first()

    assert kept.asking.asked == 1


def test_host_that_is_refused_does_not_stop_the_others(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    old = put(kept.cache, HOSTS[:1])
    kept.asking.failures = [refusal()]

    kept.keeper.first()

    assert kept.cache.certificate() == old
    assert "it does not want to; the old one stays" in caplog.messages[-1]
    assert kept.keeper.pause() == 300


def test_certificate_for_other_hosts_is_no_help(kept: Kept) -> None:
    put(kept.cache, ["other.example.com"])
    kept.asking.failures = [refusal()]

    with pytest.raises(AuthorityError):
        kept.keeper.first()
