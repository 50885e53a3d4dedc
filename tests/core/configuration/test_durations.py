"""Durations: Go's syntax in and out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from entrepot.core.configuration import Duration

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("10", 10),
        ("300ms", 300_000_000),
        ("1.5h", 5400 * SECOND),
        ("1h30m", 5400 * SECOND),
        ("168h", 168 * 3600 * SECOND),
        ("1m0.5s", 60 * SECOND + 500_000_000),
        (".5s", 500_000_000),
        ("1.s", SECOND),
        ("1us", 1000),
        ("1µs", 1000),
        ("1\u03bcs", 1000),
        ("7ns", 7),
        ("-2s", -2 * SECOND),
        ("+2s", 2 * SECOND),
        ("2562047h47m16.854775807s", 2**63 - 1),
    ],
)
def test_duration_read(text: str, nanoseconds: int) -> None:
    assert Duration.parse(text).nanoseconds == nanoseconds


@pytest.mark.parametrize(
    "text",
    ["", "s", "5x", "5 s", "1h 30m", "1,5s", "--1s", "5d", "1h-3m", ".s", "٣s", "3m3", "1e3s"],
)
def test_duration_that_go_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="a duration is wanted; write it like"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["300y", "9223372036854775808", "2562048h"])
def test_duration_longer_than_go_can_hold(text: str) -> None:
    with pytest.raises(ValueError, match="a duration"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (3_300_000_000, "3.3s"),
        (300 * SECOND, "5m0s"),
        (245_001_000_000, "4m5.001s"),
        (18367_001_000_000, "5h6m7.001s"),
        (480_000_000_001, "8m0.000000001s"),
        (168 * 3600 * SECOND, "168h0m0s"),
        (-1 * SECOND, "-1s"),
        (2**63 - 1, "2562047h47m16.854775807s"),
    ],
)
def test_duration_printed_as_go_prints_it(nanoseconds: int, text: str) -> None:
    assert str(Duration(nanoseconds)) == text


@given(st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1))
def test_duration_round_trip(nanoseconds: int) -> None:
    assert Duration.parse(str(Duration(nanoseconds))) == Duration(nanoseconds)


@given(st.text(max_size=20))
def test_duration_of_any_text_is_read_or_refused(text: str) -> None:
    try:
        duration = Duration.parse(text)
    except ValueError:
        return

    assert Duration.parse(str(duration)) == duration


def test_duration_in_seconds() -> None:
    assert Duration.parse("1500ms").seconds == 1.5


class Waiting(BaseModel):
    """A model with a duration, as a driver's options have them."""

    time: Duration


@pytest.mark.parametrize("given", ["5s", 5 * SECOND, Duration(5 * SECOND)])
def test_duration_as_a_field(given: object) -> None:
    waiting = Waiting.model_validate({"time": given})

    assert waiting.time.seconds == 5
    assert waiting.model_dump(mode="json") == {"time": "5s"}


@pytest.mark.parametrize("given", [True, None, 1.5, "-1s", -1, []])
def test_duration_field_refuses(given: object) -> None:
    with pytest.raises(ValidationError, match="a duration"):
        Waiting.model_validate({"time": given})
