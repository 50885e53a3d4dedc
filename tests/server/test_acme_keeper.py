"""When certificates are renewed, and by whom of those that share a cache."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from tests.server.acme_fakes import BEGIN, DAY, HOSTS, Kept, kept_in, outage, put

from entrepot.server.acme.asking import AuthorityError
from entrepot.server.acme.claim import EXPIRY, Claim


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return kept_in(tmp_path)


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


def test_certificate_that_another_process_asks_for_is_awaited(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    other = Claim(kept.cache.folder)
    assert other.take()

    def obtain_and_release() -> None:
        if len(kept.clock.waits) == 3:
            put(kept.cache, HOSTS)

    kept.clock.meanwhile = obtain_and_release
    kept.keeper.first()

    assert kept.asking.asked == 0
    assert kept.claim.exists()
    assert caplog.messages == [
        "another process is asking for a certificate; waiting for it",
        f"certificate for {', '.join(HOSTS)} by another process, valid until 2030-04-01 00:00 UTC",
    ]


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
