"""`policy.tags`: rules that say nothing, or could match nothing, are mistakes."""

from __future__ import annotations

import pytest

from entrepot.core.configuration import load
from entrepot.core.errors import ConfigurationError
from entrepot.core.globs import TagGlobs


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("immutable: ['*']", "it names no repositories"),
        ("repositories: ['**']", "it says nothing; add `immutable`"),
        ("repositories: ['**'], match: ['pr-*'], never: [a]", "`match` is for `keep`"),
        ("repositories: ['**'], deletable: true, keep: 1", "`deletable` is for the tags"),
        ("repositories: ['{user}/**'], keep: 1", "tags belong to no user"),
        ("repositories: ['Team'], keep: 1", "no capital letters"),
        ("repositories: ['**'], never: ['v[0-9]']", "want a pattern of tags"),
        ("repositories: ['**'], never: ['']", "want a pattern of tags"),
        (f"repositories: ['**'], never: ['{'a' * 129}']", "longer than the 128 characters"),
        ("repositories: ['**'], keep: -1", "keep"),
        ("repositories: ['**'], expire: 30d", "a duration is wanted"),
    ],
)
def test_mistake_is_told_with_its_place(rule: str, told: str) -> None:
    variables = {"REGISTRY_STORAGE": "inmemory", "REGISTRY_POLICY_TAGS": f"[{{{rule}}}]"}

    with pytest.raises(ConfigurationError) as error:
        load(None, variables)

    (mistake,) = error.value.mistakes
    assert mistake.startswith("policy.tags.0")
    assert told in mistake


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*", ["a", "v1.0"], []),
        ("v*", ["v", "v1", "v1.0-rc1"], ["V1", "1v"]),
        ("*-rc*", ["v1-rc1", "-rc"], ["v1"]),
        ("v1.0", ["v1.0"], ["v1x0", "v1.0.1"]),
        ("*a*a*", ["aa", "banana"], ["a"]),
    ],
)
def test_star_stands_for_any_text(pattern: str, matching: list[str], others: list[str]) -> None:
    globs = TagGlobs(["never", pattern])

    assert [tag for tag in (*matching, *others) if globs.find(tag) == pattern] == matching


def test_matching_takes_no_time_that_anybody_notices() -> None:
    globs = TagGlobs(["*a" * 64])

    assert globs.find("a" * 127 + "b") is None
    assert globs.find("a" * 128) is not None
