"""The order of the times that the protocol rests on."""

from __future__ import annotations

import pytest
from tests.real import hurried

from entrepot.core.collecting import timing


def test_times_are_in_order() -> None:
    assert timing.disorder() == []


def test_hurried_times_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in hurried.TIMES.items():
        assert seconds < getattr(timing, name)
        monkeypatch.setattr(timing, name, seconds)

    assert timing.disorder() == []


@pytest.mark.parametrize(
    ("name", "seconds", "broken"),
    [
        ("VISIBLE", timing.SHORTEST_WAIT - timing.LONGEST_PUSH, ["is over before its second mark"]),
        ("LONGEST_PUSH", timing.SHORTEST_WAIT, ["is over before its second mark"]),
        ("SHORTEST_WAIT", timing.VISIBLE + timing.LONGEST_PUSH, ["is over before its second mark"]),
        ("ACT", timing.DEAD - timing.HELP - timing.DELETION, ["who helps with a claim"]),
        ("DELETION", timing.DEAD - timing.ACT, ["done with its claim", "who helps with a claim"]),
        ("HELP", timing.DEAD - timing.ACT - timing.DELETION, ["who helps with a claim"]),
        ("DEAD", timing.ACT + timing.DELETION, ["done with its claim", "who helps with a claim"]),
        ("PATIENCE", timing.LONGEST_PUSH, ["has to wait for a collector"]),
        ("COARSENESS", timing.SLACK, ["is over before its second mark"]),
    ],
)
def test_time_out_of_order_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, seconds: float, broken: list[str]
) -> None:
    monkeypatch.setattr(timing, name, seconds)

    found = timing.disorder()

    assert len(found) == len(broken)
    for one, part in zip(found, broken, strict=True):
        assert part in one
