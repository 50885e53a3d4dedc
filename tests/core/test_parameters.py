"""Parameters in words for people, read off options models."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ByteSize, Field, SecretStr

from entrepot.core import DriverOptions
from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.model_base import Secret, Variable
from entrepot.core.parameters import Parameter, filled, markdown, parameters


class Speed(Enum):
    SLOW = "slow"
    FAST = "fast"


class Account(BaseModel):
    user: str = Field(default="", description="Who.")
    password: SecretStr = Field(default=SecretStr("hunter2"), description="Its word.")


class TapeOptions(DriverOptions):
    root: str = Field(description="Where data\nlies.")
    threads: int | None = Field(default=None, description="At once.")
    verify: bool = Field(default=True, description="True | false.")
    level: Literal["off", "on", "auto"] = Field(default="off")
    speed: Speed = Speed.FAST
    size: ByteSize = ByteSize(1024)
    wait: Duration = Duration.parse("1m30s")
    hosts: tuple[str, ...] = ("a", "b")
    either: int | str = 1
    free: dict[str, Any] = Field(default_factory=dict[str, Any])
    key: Annotated[str, Secret()] = "hunter2"
    spelt: Annotated[str, Variable("SPELLED")] = ""
    account: Account = Account()


def rows() -> dict[str, Parameter]:
    return {row.key: row for row in parameters("tape", TapeOptions)}


@pytest.mark.parametrize(
    ("key", "kind", "default"),
    [
        ("root", "text", ""),
        ("threads", "whole number", ""),
        ("verify", "true or false", "true"),
        ("level", "`off`, `on` or `auto`", "off"),
        ("speed", "`slow` or `fast`", "fast"),
        ("size", "size, like 8MiB", "1024"),
        ("wait", "duration, like 30s", "1m30s"),
        ("hosts", "list of text", "[a, b]"),
        ("either", "whole number or text", "1"),
        ("free", "section", ""),
        ("account.user", "text", ""),
    ],
)
def test_type_and_default_are_told(key: str, kind: str, default: str) -> None:
    row = rows()[key]

    assert (row.type, row.default) == (kind, default)


def test_meaning_is_one_line_and_required_keys_are_marked() -> None:
    root = rows()["root"]

    assert root.required
    assert root.meaning == "Where data lies."
    assert not rows()["threads"].required


def test_variables_are_those_that_are_read() -> None:
    variables = {key: row.variable for key, row in rows().items()}

    assert variables["root"] == "REGISTRY_STORAGE_TAPE_ROOT"
    assert variables["spelt"] == "REGISTRY_STORAGE_TAPE_SPELLED"
    assert variables["account.user"] == "REGISTRY_STORAGE_TAPE_ACCOUNT_USER"


def test_secret_defaults_are_not_shown() -> None:
    assert rows()["key"].type == rows()["account.password"].type == "text, secret"
    assert "hunter2" not in markdown("tape", TapeOptions)


def test_markdown_keeps_its_columns() -> None:
    heading, rule, *lines = markdown("tape", TapeOptions).splitlines()

    assert heading == "| key | type | default | meaning | variable |"
    assert rule.count("|") == 6
    assert lines[0] == (
        "| `root` | text | **required** | Where data lies. | `REGISTRY_STORAGE_TAPE_ROOT` |"
    )
    assert r"True \| false." in lines[2]


def test_page_is_filled_between_its_marks() -> None:
    page = "# Tape\n<!-- parameters: tape -->\nold\n<!-- /parameters -->\nprose\n"

    after = filled(page, {"tape": TapeOptions})

    assert after.startswith("# Tape\n<!-- parameters: tape -->\n| key |")
    assert after.endswith("|\n<!-- /parameters -->\nprose\n")
    assert "old" not in after
    assert filled(after, {"tape": TapeOptions}) == after


def test_page_of_a_driver_that_is_not_there_is_refused() -> None:
    with pytest.raises(KeyError, match="tape"):
        filled("<!-- parameters: tape -->\n<!-- /parameters -->", {})


def test_driver_without_parameters_says_so() -> None:
    assert markdown("none", DriverOptions) == "This driver has no parameters.\n"
