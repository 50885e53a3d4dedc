"""YAML as Distribution's parser reads it, with the lines of everything."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.core.configuration import yaml_source
from entrepot.core.configuration.tree import Scalar, Table, origin_at, plain, planted
from entrepot.core.errors import ConfigurationError


def line(number: int) -> str:
    return f"line {number}"


def parsed(text: str) -> Any:
    tree, _ = yaml_source.parse(text, line)
    return plain(tree)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("yes", True),
        ("On", True),
        ("y", True),
        ("NO", False),
        ("off", False),
        ("n", False),
        ("'yes'", "yes"),
        ("yEs", "yEs"),
        ("1", 1),
        ("0", 0),
        ("-1_000", -1000),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 15),
        ("0b11", 3),
        ("08", 8.0),
        ("0X1_F", 31),
        ("0_", 0),
        ("0x", "0x"),
        ("1e400", "1e400"),
        (".inf", ".inf"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("190:20", "190:20"),
        ("2024-01-02", "2024-01-02"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!other 12", "12"),
        (":5000", ":5000"),
        ("[a, 1]", ["a", 1]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("1: x", {"1": "x"}),
        ("on: x", {"on": "x"}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
    ],
)
def test_yaml_value(text: str, value: object) -> None:
    found = parsed(text)

    assert found == value
    assert type(found) is type(value)


def test_yaml_keeps_the_text_of_a_number() -> None:
    tree, _ = yaml_source.parse("0123", line)

    assert tree == "0123"


def test_yaml_keeps_the_line_of_each_key() -> None:
    tree, _ = yaml_source.parse("a:\n  b:\n    c\n  d: [\n    1,\n    2]\n", line)

    origins = {path: origin_at(tree, path) for path in [("a",), ("a", "b"), ("a", "d", 1)]}
    assert origins == {("a",): "line 1", ("a", "b"): "line 2", ("a", "d", 1): "line 6"}


def test_yaml_key_written_twice_is_noted_and_the_last_counts() -> None:
    tree, notes = yaml_source.parse("a: 1\nb: 2\na: 3\n", line)

    assert plain(tree) == {"a": 3, "b": 2}
    assert notes == ["a: written twice; the last one counts [line 3]"]


def test_yaml_merged_key_is_not_written_twice() -> None:
    _, notes = yaml_source.parse("a: &x {b: 1}\nc:\n  <<: *x\n  b: 2\n", line)

    assert notes == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "line 1"),
        ("a:\n\tb: 1", "line 2"),
        ("a: 1\n---\nb: 2", "more than one document"),
        ("a: *s3cr3t", "in quotes"),
        ("a: !no!s3cr3t x", "in quotes"),
        ("a: b: s3cr3t", "not YAML"),
        ("a: 's3cr3t", "not YAML"),
        ("a: &s3cr3t 1\nb: &s3cr3t 2\nc: @s3cr3t", "not YAML"),
        ("a:\n  b: \x01s3cr3t", "a character that it forbids [line 2]"),
        ("[" * 2000, "nested too deeply"),
        ("? [a]\n: s3cr3t", "a key that is not text [line 1]"),
        ("a: &x [*x]", "aliases without end [line 1]"),
        ("a: &x {b: *x}", "aliases without end [line 1]"),
    ],
)
def test_yaml_refused_without_repeating_it(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        yaml_source.parse(text, line)

    assert message in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_yaml_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    with pytest.raises(ConfigurationError, match="aliases without end"):
        yaml_source.parse("\n".join(lines), line)


@given(st.text(alphabet="0123456789abfoxe_.+-: #'\"[]{}&*!\n,~ynYN", max_size=30))
def test_yaml_of_any_text_is_read_or_refused(text: str) -> None:
    try:
        tree, _ = yaml_source.parse(text, line)
    except ConfigurationError:
        return

    assert isinstance(plain(tree), dict | list | str | int | float | bool | None)


def test_tree_of_plain_values() -> None:
    tree = planted({"a": [1, True, None, "x"]}, "here")

    assert isinstance(tree, Table)
    assert plain(tree) == {"a": [1, True, None, "x"]}
    assert origin_at(tree, ("a", 1)) == "here"
    assert [str(one) for one in tree["a"]] == ["1", "true", "", "x"]
    assert all(isinstance(one, Scalar) for one in tree["a"])
