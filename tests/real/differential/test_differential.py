"""The same configurations and requests for Distribution 2, Distribution 3 and us."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tests.drivers.certificates import server_tls
from tests.real.differential.comparing import Found, compare
from tests.real.differential.differences import DIFFERENCES
from tests.real.differential.peers import BUNDLE, HTPASSWD, SETUPS, USERS, Setup
from tests.real.differential.playing import Aspects, Play
from tests.real.servers import Server, distribution_program, entrepot_command

Start: TypeAlias = Callable[..., Server]
Played: TypeAlias = dict[str, dict[str, Aspects]]
"""Answers of one server, by `setup/scenario`."""

SIDES = ("2", "3", "ours")


@pytest.fixture(scope="module")
def played(
    start_server: Start, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Played]:
    """The answers of a side; all sides play at the same time."""
    folder = tmp_path_factory.mktemp("files")
    files = {USERS: folder / "htpasswd", BUNDLE: folder / "bundle.pem"}
    files[USERS].write_text(HTPASSWD)
    server_tls(folder)
    pem = (folder / "both.pem").read_bytes()
    files[BUNDLE].write_bytes(pem[: pem.index(b"-----BEGIN PRIVATE KEY")])
    commands = {
        side: entrepot_command() if side == "ours" else [distribution_program(side)]
        for side in SIDES
    }
    roots = {side: tmp_path_factory.mktemp("roots") for side in SIDES}

    def play(side: str) -> Played:
        found: Played = {}
        for name, setup in SETUPS.items():
            config = sections(setup, roots[side] / name, files)
            server = start_server(commands[side], config, roots[side] / name, setup.env)
            for scenario in setup.scenarios:
                playing = Play(server.address, setup.prefix)
                scenario(playing)
                found[f"{name}/{scenario.__name__}"] = playing.answers
            server.stop()
        return found

    with ThreadPoolExecutor(len(SIDES)) as pool:
        answers = list(pool.map(play, SIDES))
    return lambda side: answers[SIDES.index(side)]


def sections(setup: Setup, root: Path, files: Mapping[str, Path]) -> dict[str, Any]:
    """A setup's sections, for `start_server` to add the rest."""
    text = json.dumps(setup.sections)
    for name, path in files.items():
        text = text.replace(name, str(path))
    return {
        **json.loads(text),
        "storage": {"filesystem": {"rootdirectory": str(root)}, **setup.storage},
        "http": dict(setup.http),
    }


def differences(theirs: Played, ours: Played) -> Iterator[Found]:
    for name in theirs:
        yield from compare(name, theirs[name], ours[name])


@pytest.mark.parametrize("version", ["2", "3"])
def test_answers_differ_only_where_they_are_meant_to(
    played: Callable[[str], Played], version: str
) -> None:
    found = list(differences(played(version), played("ours")))

    unmeant = [one for one in found if not any(row.covers(version, one) for row in DIFFERENCES)]

    assert not unmeant, "\n".join(map(str, unmeant))


@pytest.mark.parametrize("version", ["2", "3"])
def test_every_difference_that_is_meant_occurs(
    played: Callable[[str], Played], version: str
) -> None:
    found = list(differences(played(version), played("ours")))
    rows = [row for row in DIFFERENCES if version in row.versions.split()]

    gone = [row for row in rows if not any(row.covers(version, one) for one in found)]

    assert not gone


def test_there_is_much_to_compare(played: Callable[[str], Played]) -> None:
    assert sum(len(answers) for answers in played("ours").values()) > 400
