"""When certificates are obtained and renewed, with an authority and a clock of the tests."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from tests.server.acme_fakes import BEGIN, LIFE, FakeAsking, FakeClock, put

from entrepot.core.configuration import Address
from entrepot.server.acme.asking import AuthorityError
from entrepot.server.acme.cache import Cache
from entrepot.server.acme.claim import EXPIRY, Claim
from entrepot.server.acme.keeper import Keeper
from entrepot.server.acme.wish import Wish

HOSTS = ("a.example.com", "b.example.com")
DAY = timedelta(days=1)


@dataclass
class Kept:
    keeper: Keeper
    asking: FakeAsking
    clock: FakeClock
    cache: Cache

    @property
    def claim(self) -> Path:
        return self.cache.folder / "acme+claim"


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    wish = Wish(HOSTS, "", "https://authority.test/dir", tmp_path, Address("", 80))
    cache, clock = Cache(tmp_path, HOSTS), FakeClock()
    asking = FakeAsking(cache, HOSTS, clock)
    return Kept(Keeper(wish, cache, lambda: asking, clock), asking, clock, cache)


def refusal() -> AuthorityError:
    return AuthorityError("it does not want to", is_refusal=True)


def outage() -> AuthorityError:
    return AuthorityError("Connection refused")


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


def test_certificate_is_renewed_in_the_last_third_of_its_life(kept: Kept) -> None:
    old = put(kept.cache, HOSTS)

    kept.clock.go_to(60 * DAY - timedelta(seconds=1))
    kept.keeper.look()
    assert kept.cache.certificate() == old

    kept.clock.go_to(60 * DAY)
    kept.keeper.look()

    new = kept.cache.certificate()
    assert new is not None
    assert new.ends == BEGIN + 150 * DAY


@pytest.mark.parametrize(("advised", "renewed"), [(10, 10), (70, 70), (89, 75), (500, 75)])
def test_authority_advises_when_to_renew(kept: Kept, advised: int, renewed: int) -> None:
    put(kept.cache, HOSTS)
    kept.asking.advice = BEGIN + advised * DAY

    kept.clock.go_to(renewed * DAY - timedelta(seconds=1))
    kept.keeper.look()
    assert kept.asking.asked == 0

    kept.clock.go_to(renewed * DAY)
    kept.keeper.look()
    assert kept.asking.asked == 1


@pytest.mark.parametrize("error", [outage(), RuntimeError("bug")])
def test_advice_that_cannot_be_had_is_not_missed(error: Exception, kept: Kept) -> None:
    put(kept.cache, HOSTS)
    kept.asking.advice = error

    assert kept.keeper.pause() == 3600
    kept.clock.go_to(60 * DAY)
    kept.keeper.look()

    assert kept.asking.asked == 1


def test_advice_is_asked_for_again_after_hours(kept: Kept) -> None:
    put(kept.cache, HOSTS)
    kept.keeper.look()
    kept.asking.advice = BEGIN

    kept.clock.go_to(timedelta(hours=5))
    kept.keeper.look()
    assert kept.asking.asked == 0

    kept.clock.go_to(timedelta(hours=6))
    kept.keeper.look()
    assert kept.asking.asked == 1


def test_failed_renewals_keep_the_old_one_and_are_told_in_a_line_each(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    old = put(kept.cache, HOSTS)
    kept.clock.go_to(60 * DAY)
    kept.asking.failures = [outage() for _ in range(12)]

    pauses = list[float]()
    for _ in range(12):
        kept.keeper.look()
        pauses.append(kept.keeper.pause())

    assert kept.cache.certificate() == old
    assert pauses[:4] == [300, 600, 1200, 2400]
    assert pauses[-1] == 6 * 3600
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 12
    assert told[0].getMessage() == (
        "certificate for a.example.com, b.example.com not renewed: Connection refused; "
        "the old one, valid until 2030-04-01 00:00 UTC, stays, next try in 0:05:00"
    )
    assert all(record.exc_info is None for record in told)


def test_success_ends_the_series_of_failures(kept: Kept) -> None:
    put(kept.cache, HOSTS)
    kept.clock.go_to(60 * DAY)
    kept.asking.failures = [outage()]
    kept.keeper.look()

    kept.keeper.look()

    assert kept.asking.asked == 2
    assert kept.keeper.pause() == 3600


def test_mistake_of_ours_is_logged_with_its_place_and_does_not_end_the_watch(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    put(kept.cache, HOSTS)
    kept.clock.go_to(60 * DAY)
    kept.asking.failures = [RuntimeError("bug")]

    kept.keeper.look()

    assert caplog.records[-1].exc_info is not None
    assert not kept.claim.exists()


def test_short_lives_have_short_pauses(kept: Kept) -> None:
    put(kept.cache, HOSTS, life=timedelta(seconds=90))
    assert kept.keeper.pause() == 60

    kept.clock.passed = 60
    kept.asking.failures = [outage(), outage(), outage(), outage()]
    for expected in (1, 2, 3, 3):
        kept.keeper.look()
        assert kept.keeper.pause() == expected


def test_watch_ends_when_it_is_told_to(kept: Kept) -> None:
    put(kept.cache, HOSTS)

    def stop_after_three() -> None:
        if len(kept.clock.waits) == 3:
            kept.keeper.close()

    kept.clock.meanwhile = stop_after_three
    kept.keeper.keep()

    assert kept.clock.waits == [3600, 3600, 3600]


def test_certificate_that_another_process_asks_for_is_awaited(kept: Kept) -> None:
    other = Claim(kept.cache.folder)
    assert other.take()

    def obtain_and_release() -> None:
        if len(kept.clock.waits) == 3:
            put(kept.cache, HOSTS)

    kept.clock.meanwhile = obtain_and_release
    kept.keeper.first()

    assert kept.asking.asked == 0
    assert kept.claim.exists()


def test_failure_of_another_process_is_followed_by_a_try_of_our_own(kept: Kept) -> None:
    other = Claim(kept.cache.folder)
    assert other.take()
    kept.clock.meanwhile = other.release

    kept.keeper.first()

    assert kept.asking.asked == 1


def test_claim_of_a_dead_process_is_taken_over(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    assert Claim(kept.cache.folder).take()

    kept.keeper.first()

    assert kept.asking.asked == 1
    assert EXPIRY <= kept.clock.passed <= EXPIRY + 2
    assert "a process ended while it asked for a certificate; asking anew" in caplog.messages


def test_process_that_asks_for_too_long_is_not_awaited_for_ever(kept: Kept) -> None:
    assert Claim(kept.cache.folder).take()

    def live_on() -> None:
        time = int(kept.clock.passed * 1e9)
        os.utime(kept.claim, ns=(time, time))

    kept.clock.meanwhile = live_on
    with pytest.raises(AuthorityError, match="another process has been asking for too long"):
        kept.keeper.first()

    assert kept.asking.asked == 0


def test_cache_that_is_gone_is_told_in_a_line(
    kept: Kept, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.rmdir()

    kept.keeper.look()

    assert f"cannot write to {tmp_path}: No such file or directory" in caplog.messages[-1]
    assert caplog.records[-1].exc_info is None
