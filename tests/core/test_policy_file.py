"""The access policy as it is written: in the configuration, or in a file of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrepot.core.configuration import load, read_rules, rules_of
from entrepot.core.errors import ConfigurationError

HEAD = "version: 0.1\nstorage: inmemory\nauth: none\n"
GOOD = "rules:\n- users: [alice]\n  repositories: [app]\n  actions: [pull]\n"


def lines(text: str) -> str:
    """Text below a key."""
    return "".join(f"  {line}\n" for line in text.splitlines())


def mistakes(tmp_path: Path, text: str) -> tuple[str, ...]:
    file = tmp_path / "config.yml"
    file.write_text(HEAD + text)
    with pytest.raises(ConfigurationError) as raised:
        load(file, {})
    return tuple(line.replace(str(tmp_path), "") for line in raised.value.mistakes)


ROWS = [
    (
        "rules:\n- {actions: [pull], repositories: [app]}",
        "rules.0: it holds for nobody; add `users`, `groups`, `authenticated` or `anonymous`",
    ),
    (
        "rules:\n- {users: [alice], repositories: [app]}",
        "rules.0: it allows nothing; add `actions`",
    ),
    (
        "rules:\n- {users: [alice], actions: [pull, catalog]}",
        'rules.0: it names no repositories; add `repositories`, like ["**"] for all',
    ),
    (
        "rules:\n- {groups: [b], actions: [pull], repositories: [app]}\ngroups: {a: [alice]}",
        "rules.0.groups.0: no group 'b'; add it to `groups` (known: a)",
    ),
    (
        "rules:\n- {users: [alice, ''], actions: [pull], repositories: [app]}",
        "rules.0.users.1: a user's name is wanted; `anonymous: true` is for everybody",
    ),
    (
        "rules:\n- {anonymous: true, actions: [pull], repositories: ['{user}/**']}",
        "rules.0.repositories: the anonymous have no name that `{user}` could stand for",
    ),
    (
        "rules:\n- {users: [alice], actions: [pull], repositories: [app, Team/*]}",
        "rules.0.repositories.1: repositories' names have no capital letters, so it",
    ),
    (
        "rules:\n- {users: [alice], actions: [pul], repositories: [app]}",
        "rules.0.actions.0: one of 'pull', 'push', 'delete', 'catalog' or '*' is wanted",
    ),
    (
        "rules:\n- {user: [alice], actions: [pull], repositories: [app]}",
        "rules.0.user: unknown key; did you mean 'users'?",
    ),
    ("groups: {a: [alice]}", "rules: no rules, so nobody could do anything; write some"),
    ("groups: {a: ['']}\n" + GOOD, "groups.a.0: a user's name is wanted"),
    ("{}", "rules: no rules, so nobody could do anything; write some"),
]


@pytest.mark.parametrize(("text", "mistake"), ROWS)
def test_mistake_in_the_configuration_is_one_line(tmp_path: Path, text: str, mistake: str) -> None:
    found = [
        line for line in mistakes(tmp_path, f"access:\n{lines(text)}") if "not avail" not in line
    ]

    (line,) = found
    assert line.startswith(f"access.{mistake}")
    assert " [file /config.yml line " in line


@pytest.mark.parametrize(("text", "mistake"), ROWS)
def test_mistake_in_the_file_is_the_same_line(tmp_path: Path, text: str, mistake: str) -> None:
    file = tmp_path / "access.yml"
    file.write_text(text)

    with pytest.raises(ConfigurationError) as raised:
        read_rules(str(file))

    (line,) = raised.value.mistakes
    assert line.startswith(mistake)
    assert f" [file {file} line " in line


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff", "is not UTF-8 text"),
        (b"", "holds no policy; begin with `rules:`"),
        (b"- a", "holds no policy; begin with `rules:`"),
        (b"rules: [*]", "not YAML"),
        (b"rules: []\nrules: []", "rules: written twice"),
        (b"file: other.yml\n" + GOOD.encode(), "file: unknown key"),
    ],
)
def test_file_that_cannot_be_used_is_told(tmp_path: Path, content: bytes | None, told: str) -> None:
    file = tmp_path / "access.yml"
    if content is not None:
        file.write_bytes(content)

    found = mistakes(tmp_path, f"access:\n  file: {file}\n")

    assert any(told in line for line in found)


def test_file_and_rules_together_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "access.yml"
    file.write_text(GOOD)

    found = mistakes(tmp_path, f"access:\n  file: {file}\n{lines(GOOD)}")

    assert any("access.file: there are `rules` or `groups` besides" in line for line in found)


def test_rules_come_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "access.yml"
    file.write_text(GOOD)

    configuration = load(None, {"REGISTRY_ACCESS_FILE": str(file)}).configuration
    rules = rules_of(configuration)

    assert rules is not None
    assert rules.rules[0].users == ("alice",)


def test_without_the_section_there_is_no_policy() -> None:
    assert rules_of(load(None, {}).configuration) is None
