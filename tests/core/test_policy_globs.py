"""Patterns of repository names, compared with the plainest way to match them."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.core.globs import PART, USER, Glob, Globs

PARTS = (
    st.from_regex(PART, fullmatch=True)
    .map(lambda text: text[:6])
    .filter(lambda text: bool(re.fullmatch(PART, text)))
)
FEW = st.text("ab", min_size=1, max_size=3)
NAMES = st.lists(FEW, min_size=1, max_size=5).map("/".join)
STARRED = st.text("ab*", min_size=1, max_size=4).filter(lambda text: "**" not in text)
PATTERNS = st.lists(STARRED | st.sampled_from(["**", USER]), min_size=1, max_size=5).map("/".join)


def matches(parts: list[str], names: list[str], user: str) -> bool:
    """What a pattern means, tried out in all ways."""
    if not parts or not names:
        return not parts and not names
    first, rest = parts[0], parts[1:]
    if first == "**":
        return matches(rest, names[1:], user) or matches(parts, names[1:], user)
    if first == USER:
        return bool(user) and names[0] == user and matches(rest, names[1:], user)
    return starred(first, names[0]) and matches(rest, names[1:], user)


def starred(part: str, name: str) -> bool:
    if not part:
        return not name
    if part[0] == "*":
        return starred(part[1:], name) or (bool(name) and starred(part, name[1:]))
    return bool(name) and part[0] == name[0] and starred(part[1:], name[1:])


@given(PATTERNS, NAMES, FEW | st.just(""))
def test_pattern_matches_what_it_means(pattern: str, name: str, user: str) -> None:
    found = Globs([Glob.parse(pattern)]).match(name, user)

    assert found == matches(pattern.split("/"), name.split("/"), user)


@given(st.lists(PATTERNS, max_size=4), NAMES, FEW)
def test_one_of_several_patterns_has_to_match(patterns: list[str], name: str, user: str) -> None:
    found = Globs(Glob.parse(pattern) for pattern in patterns).match(name, user)

    assert found == any(matches(one.split("/"), name.split("/"), user) for one in patterns)


@given(PATTERNS, NAMES, FEW | st.just(""))
def test_folder_above_a_matching_name_is_entered(pattern: str, name: str, user: str) -> None:
    parts = name.split("/")
    glob = Glob.parse(pattern)
    if not Globs([glob]).match(name, user):
        return

    assert all(glob.enters(tuple(parts[:count]), user) for count in range(1, len(parts) + 1))


@pytest.mark.parametrize(
    ("pattern", "folder", "entered"),
    [
        ("team/**", "team", True),
        ("team/**", "team/a/b", True),
        ("team/**", "teams", False),
        ("team/app", "team/app/below", False),
        ("*/app", "other", True),
        ("*-public/app", "secret", False),
        ("{user}/**", "alice", True),
        ("{user}/**", "bob", False),
    ],
)
def test_folder_that_nothing_can_match_below_is_not_entered(
    pattern: str, folder: str, entered: bool
) -> None:
    assert Glob.parse(pattern).enters(tuple(folder.split("/")), "alice") == entered


@given(PARTS, PARTS)
def test_user_stands_for_the_whole_part(user: str, other: str) -> None:
    home = Globs([Glob.parse("{user}/**")])

    assert home.match(f"{user}/app", user)
    assert home.match(f"{other}/app", user) == (other == user)
    assert not home.match(f"{user}{other}/app", user)


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ("library/", "library/app"),
        ("library/x", "library/x/app"),
        ("", "/app"),
        ("*", "anything/app"),
        (".*", "anything/app"),
        ("Alice", "Alice/app"),
        ("Alice", "alice/app"),
        ("a\nb", "b/app"),
        ("alice\nbob/app\n", "bob/app"),
        ("..", "../app"),
    ],
)
def test_user_whose_name_is_no_part_has_no_home(user: str, name: str) -> None:
    assert not Globs([Glob.parse("{user}/**"), Glob.parse("{user}/app")]).match(name, user)


@pytest.mark.parametrize(
    ("name", "matching"),
    [("team", False), ("team/a", True), ("team/a/b", True), ("steam/a", False), ("team/", False)],
)
def test_two_stars_are_one_part_or_more(name: str, matching: bool) -> None:
    assert Globs([Glob.parse("team/**")]).match(name, "") == matching


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "a/", "/a", "a//b", "team**", "**a", "***", "a/***", "Team/*", "a b", "a?"),
        *("[a]", "{user}x", "x-{user}/a", "{name}/**", "{user", "a\n", "a:b", "ä", "a" * 256),
    ],
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Glob.parse(text)


@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*a*b", "**/a/**/a/**/a/**/a/**/b", "*a*/**/*a*/b"])
@pytest.mark.parametrize("name", ["a" * 255, "/".join("a" * 128)])
def test_matching_takes_no_longer_for_many_stars(pattern: str, name: str) -> None:
    globs = Globs([Glob.parse(pattern)])
    began = time.process_time()

    for _ in range(10):
        assert not globs.match(name, "")

    assert time.process_time() - began < 0.5
