"""`entrepot auth`: explain, hash, key."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from tests.server.authorization.conftest import RULES, USERS
from typer.testing import CliRunner, Result

from entrepot.server.authentication import users
from entrepot.server.authorization.keys import read_keys
from entrepot.server.cli import app

RUN = CliRunner()


def explain(tmp_path: Path, *arguments: str, **sections: Any) -> Result:
    (tmp_path / "users").write_text(USERS)
    auth = {"htpasswd": {"realm": "r", "path": str(tmp_path / "users")}}
    given: dict[str, Any] = {"version": 0.1, "storage": {"inmemory": {}}, "auth": auth}
    given["access"] = {"rules": RULES}
    file = tmp_path / "config.yml"
    file.write_text(json.dumps(given | sections))
    return RUN.invoke(app, ["auth", "explain", str(file), *arguments])


@pytest.mark.parametrize(
    ("arguments", "code", "lines"),
    [
        (
            "--user bob --repository team/app --action pull",
            0,
            ["allowed: bob: pull team/app", "access.rules.1 [file CONFIG line 1] allows it"],
        ),
        (
            "--user bob --repository team/app --action push",
            1,
            [
                "refused: bob: push team/app",
                "access.rules.0 [file CONFIG line 1] allows pull, not push",
                "access.rules.1 [file CONFIG line 1] allows pull, not push",
                "access.rules.2 [file CONFIG line 1] allows catalog, not push",
                "access.rules.3 [file CONFIG line 1] is for {user}/**",
            ],
        ),
        ("--anonymous --repository public/app", 0, ["allowed: anonymous: pull public/app"]),
        ("--anonymous --action catalog", 1, ["refused: anonymous: list repositories"]),
        ("--user bob --action catalog", 0, ["allowed: bob: list repositories"]),
        ("--user eve --repository eve/a --action delete", 0, ["access.rules.3"]),
    ],
)
def test_explain_names_the_rule(
    tmp_path: Path, arguments: str, code: int, lines: list[str]
) -> None:
    result = explain(tmp_path, *arguments.split())

    assert result.exit_code == code, result.output
    said = result.stdout.replace(str(tmp_path / "config.yml"), "CONFIG")
    for line in lines:
        assert line in said


def test_explain_names_the_rule_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "access.yml"
    file.write_text(json.dumps({"rules": RULES[1:2]}))

    result = explain(
        tmp_path, "--user", "bob", "--repository", "team/app", access={"file": str(file)}
    )

    assert (result.exit_code, result.stdout) == (
        0,
        f"allowed: bob: pull team/app\n  {file}: rules.0 allows it\n",
    )


def test_explain_says_that_no_rule_holds(tmp_path: Path) -> None:
    access = {"rules": RULES[1:2]}

    result = explain(tmp_path, "--anonymous", "--repository", "team/app", access=access)

    assert result.stdout.endswith("  no rule holds for anonymous\n")


def test_explain_takes_groups_of_plugins(tmp_path: Path) -> None:
    rule = {"groups": ["g"], "repositories": ["app"], "actions": ["pull"]}
    access: dict[str, Any] = {"groups": {"g": []}, "rules": [rule]}
    asked = ("--user", "bob", "--repository", "app")

    assert explain(tmp_path, *asked, access=access).exit_code == 1
    assert explain(tmp_path, *asked, "--group", "g", access=access).exit_code == 0


@pytest.mark.parametrize(
    ("sections", "arguments", "code", "told"),
    [
        ({"auth": {"none": None}}, "--anonymous", 0, "everybody may do everything"),
        ({}, "--anonymous", 1, "no policy: the anonymous may do nothing"),
        ({}, "--user bob", 0, "no policy: who is authenticated may do everything"),
        (
            {"auth": {"token": {"realm": "http://a", "service": "s", "issuer": "i", "jwks": "/j"}}},
            "--user bob",
            1,
            "the tokens of auth.token say",
        ),
    ],
)
def test_explain_without_a_policy(
    tmp_path: Path, sections: dict[str, Any], arguments: str, code: int, told: str
) -> None:
    asked = ("--repository", "app", *arguments.split())

    result = explain(tmp_path, *asked, **sections, access=None)

    assert result.exit_code == code, result.output
    assert told in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        "--repository app",
        "--user a --anonymous --repository app",
        "--user a --repository App",
        "--user a",
        "--user a --repository app --action admin",
    ],
)
def test_question_that_is_none_is_refused(tmp_path: Path, arguments: str) -> None:
    assert explain(tmp_path, *arguments.split()).exit_code == 2


def test_explain_of_a_broken_policy_names_the_mistake(tmp_path: Path) -> None:
    result = explain(tmp_path, "--anonymous", "--repository", "a", access={"rules": [{}]})

    assert result.exit_code == 1
    assert "error: access.rules.0: it holds for nobody" in result.stderr


def test_hash_is_a_line_of_htpasswd() -> None:
    result = RUN.invoke(app, ["auth", "hash", "alice", "--cost", "5"], input="s3cret\n")

    assert result.exit_code == 0
    assert "s3cret" not in result.output
    hashed = users.parse(result.stdout.encode()).hashes["alice"]
    assert bcrypt.checkpw(b"s3cret", hashed)
    assert hashed.startswith(b"$2b$05$")


@pytest.mark.parametrize("password", ["", "\n", "a" * 73, "ä" * 37, "a\0b"])
def test_hash_of_what_is_no_password_is_refused(password: str) -> None:
    result = RUN.invoke(app, ["auth", "hash", "alice", "--cost", "5"], input=password)

    assert result.exit_code == 1
    assert not result.stdout


@pytest.mark.parametrize("user", ["", "a:b", "a\nb"])
def test_hash_for_what_is_no_name_is_refused(user: str) -> None:
    assert RUN.invoke(app, ["auth", "hash", user], input="a\n").exit_code == 2


def test_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"

    made = RUN.invoke(app, ["auth", "key", str(path)])
    again = RUN.invoke(app, ["auth", "key", str(path)])

    assert made.exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made.stdout.strip() == read_keys([str(path)]).kid
    assert (again.exit_code, again.stderr) == (
        1,
        f"error: {path} is there already; a key is never overwritten\n",
    )


def test_key_in_no_folder_is_told(tmp_path: Path) -> None:
    result = RUN.invoke(app, ["auth", "key", str(tmp_path / "none" / "key.pem")])

    assert result.exit_code == 1
    assert "cannot be written: No such file or directory" in result.stderr
