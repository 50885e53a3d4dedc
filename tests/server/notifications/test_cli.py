"""`entrepot notifications`: what waits, dead letters, and what is done with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from entrepot.server.cli import app
from entrepot.server.notifications.letters import Letter
from entrepot.server.notifications.outbox import Outbox

CONFIG = """\
version: 0.1
storage: inmemory
notifications:
  outbox: {path: PATH}
  endpoints:
    - {name: hook, url: "http://user:hunter2@127.0.0.1:1/", headers: {Authorization: [Bearer t0p]}}
"""


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """One that is in use: it is not closed."""
    outbox = Outbox(str(tmp_path / "outbox"))
    letters = [
        Letter("hook", f"id-{tag}", "push", f"app:{tag}", 0.0, "t", b"x") for tag in ("1", "2", "3")
    ]
    outbox.add([*letters, Letter("gone", "i", "delete", "b:4", 0.0, "t", b"x")], durable=True)
    for letter in outbox.first("hook", 2):
        outbox.bury(letter, None, "refused 3 times; at last it answered 410 Gone")
    return outbox


def invoke(tmp_path: Path, *arguments: str, config: str = CONFIG) -> Result:
    path = tmp_path / "config.yml"
    path.write_text(config.replace("PATH", str(tmp_path / "outbox")), encoding="utf-8")
    name, *rest = arguments
    return CliRunner().invoke(app, ["notifications", name, str(path), *rest])


def test_list(tmp_path: Path, outbox: Outbox) -> None:
    result = invoke(tmp_path, "list")

    lines = [line.split() for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert lines[:3] == [["endpoint", "waiting", "dead"], ["gone", "1", "0"], ["hook", "1", "2"]]
    assert lines[5][:4] == ["1", "hook", "push", "app:1"]
    assert lines[5][4].endswith("d")
    assert result.stdout.splitlines()[6].endswith("refused 3 times; at last it answered 410 Gone")
    assert "hunter2" not in result.output
    assert "t0p" not in result.output
    outbox.close()


def test_list_of_one_endpoint(tmp_path: Path, outbox: Outbox) -> None:
    result = invoke(tmp_path, "list", "--endpoint", "gone")

    assert result.stdout.splitlines()[1:] == ["gone            1     0"]
    outbox.close()


@pytest.mark.parametrize(
    ("arguments", "told", "waiting", "dead"),
    [
        (["replay"], "2 event(s) wait again", 3, 0),
        (["replay", "2"], "1 event(s) wait again", 2, 1),
        (["replay", "-e", "gone"], "0 event(s) wait again", 1, 2),
        (["drop", "1", "2"], "2 event(s) deleted", 1, 0),
        (["drop"], "2 event(s) deleted", 1, 0),
        (["drop", "--waiting", "-e", "hook"], "3 event(s) deleted", 0, 0),
        (["drop", "--waiting", "-e", "gone"], "1 event(s) deleted", 1, 2),
    ],
)
def test_replay_and_drop(
    tmp_path: Path, outbox: Outbox, arguments: list[str], told: str, waiting: int, dead: int
) -> None:
    result = invoke(tmp_path, *arguments)

    room = outbox.room("hook")
    assert (result.exit_code, result.stdout) == (0, f"{told}\n")
    assert (room.pending, room.dead) == (waiting, dead)
    outbox.close()


def test_numbers_that_are_not_there(tmp_path: Path, outbox: Outbox) -> None:
    result = invoke(tmp_path, "replay", "2", "77", "2")

    assert result.stdout == "1 event(s) wait again\n"
    assert result.stderr == "warning: 1 of the numbers are no dead letters\n"
    outbox.close()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "-e", "hok"], "--endpoint: no endpoint 'hok'; there are: gone, hook"),
        (["drop", "1", "--waiting"], "--waiting and numbers exclude each other"),
    ],
)
def test_mistakes(tmp_path: Path, outbox: Outbox, arguments: list[str], told: str) -> None:
    result = invoke(tmp_path, *arguments)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {told}")
    assert outbox.room("hook").dead == 2
    outbox.close()


def test_no_outbox_is_there(tmp_path: Path) -> None:
    result = invoke(tmp_path, "list")

    assert result.exit_code == 1
    assert "notifications.outbox.path: there is no outbox in" in result.stderr
    assert not (tmp_path / "outbox").exists()


def test_outbox_in_memory(tmp_path: Path) -> None:
    config = CONFIG.replace("path: PATH", "disabled: true")

    result = invoke(tmp_path, "list", config=config)

    assert result.exit_code == 1
    assert "notifications.outbox.disabled: events are in the registry's memory" in result.stderr


def test_secrets_of_endpoints_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text(CONFIG.replace("Authorization", "X-Anything"), encoding="utf-8")

    output = CliRunner().invoke(app, ["config", "show", str(path)]).output

    assert "http://******@127.0.0.1:1/" in output
    assert "X-Anything:\n    - '******'" in output.replace("      ", "    ")
    assert "hunter2" not in output
    assert "t0p" not in output


def test_endpoint_without_a_url(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text("version: 0.1\nstorage: inmemory\nnotifications: {endpoints: [{name: a}]}\n")

    result = CliRunner().invoke(app, ["config", "check", str(path)])

    assert result.exit_code == 1
    assert result.stderr == "error: notifications.endpoints.0.url: missing; write where to post\n"
