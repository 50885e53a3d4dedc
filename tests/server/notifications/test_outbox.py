"""The outbox: letters in order, within bounds, still there for whoever opens it next."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import stat
from collections.abc import Callable, Generator
from pathlib import Path
from threading import Thread

import pytest

from entrepot.core.errors import ConfigurationError
from entrepot.server.notifications.letters import Letter
from entrepot.server.notifications.lock import Lock
from entrepot.server.notifications.outbox import Bounds, Outbox
from entrepot.server.notifications.schema import MEMORY


@pytest.fixture
def outbox(folder: str) -> Generator[Outbox, None, None]:
    opened = Outbox(folder)
    yield opened
    opened.close()


def letter(id_: str, action: str = "push", endpoint: str = "a", size: int = 10) -> Letter:
    return Letter(endpoint, id_, action, f"app:{id_}", 0.0, "application/json", b"x" * size)


def add(outbox: Outbox, *letters: Letter, durable: bool = True) -> None:
    outbox.add(letters, durable=durable)


def ids(outbox: Outbox, endpoint: str = "a") -> list[str]:
    return [one.id for one in outbox.first(endpoint, 1000)]


def dead(outbox: Outbox, endpoint: str | None = None) -> list[str]:
    return [one.id for one in outbox.dead(endpoint)]


@pytest.mark.parametrize("where", ["folder", MEMORY])
def test_letters_come_in_order_and_whole(folder: str, where: str) -> None:
    outbox = Outbox(folder if where == "folder" else where)
    add(outbox, letter("1"), letter("2", endpoint="b"))
    add(outbox, letter("3", "pull"), durable=False)

    assert ids(outbox) == ["1", "3"]
    found = outbox.first("b", 1)[0]
    assert found == dataclasses.replace(letter("2", endpoint="b"), number=2)
    outbox.close()


def test_letters_are_there_after_a_restart(folder: str, outbox: Outbox) -> None:
    add(outbox, letter("1"), letter("2"))
    outbox.settle("a", [1])

    other = Outbox(folder)

    assert ids(other) == ["2"]
    assert other.room("a").pending == 1
    other.close()


def test_place_of_a_letter_is_never_given_again(outbox: Outbox) -> None:
    add(outbox, letter("1"))
    outbox.settle("a", [1])
    add(outbox, letter("2"))

    assert outbox.first("a", 1)[0].number == 2


def test_few_letters_are_looked_at_if_they_are_large(outbox: Outbox) -> None:
    size = 3 * 1024 * 1024
    add(outbox, *[letter(str(number), size=size) for number in range(5)])

    assert len(outbox.first("a", 64)) == 2


def test_refusals_are_remembered(folder: str, outbox: Outbox) -> None:
    add(outbox, letter("1"))
    outbox.settle("a", (), [(1, 3)])

    other = Outbox(folder)

    assert other.first("a", 1)[0].refusals == 3
    other.close()


# -- bounds --------------------------------------------------------------------------------------


def test_oldest_pulls_are_dropped_first() -> None:
    outbox = Outbox(MEMORY, Bounds(letters=4))
    add(outbox, letter("1"), letter("2", "pull"), letter("3", "pull"), letter("4", "delete"))

    rooms = outbox.add([letter("5"), letter("6", "pull")], durable=True)

    assert ids(outbox) == ["1", "4", "5", "6"]
    assert (rooms["a"].dropped, rooms["a"].buried, rooms["a"].pending) == (2, 0, 4)


def test_pushes_become_dead_letters_where_there_are_no_pulls() -> None:
    outbox = Outbox(MEMORY, Bounds(letters=2))
    add(outbox, letter("1"), letter("2"), letter("3", "pull"))

    rooms = outbox.add([letter("4")], durable=True)

    assert ids(outbox) == ["2", "4"]
    assert dead(outbox) == ["1"]
    assert next(outbox.dead()).reason == "the outbox was full"
    assert (rooms["a"].dropped, rooms["a"].buried, rooms["a"].dead) == (0, 1, 1)


def test_dead_letters_are_bounded() -> None:
    outbox = Outbox(MEMORY, Bounds(letters=2))

    for number in range(6):
        add(outbox, letter(str(number)))
    rooms = outbox.add([letter("6")], durable=True)

    assert ids(outbox) == ["5", "6"]
    assert dead(outbox) == ["3", "4"]
    assert rooms["a"].dropped == 1


def test_bytes_are_bounded() -> None:
    outbox = Outbox(MEMORY, Bounds(size=1000))

    add(outbox, *[letter(str(number), "pull", size=300) for number in range(10)])

    assert ids(outbox) == ["7", "8", "9"]


def test_letter_larger_than_all_that_may_wait_is_no_endless_loop() -> None:
    outbox = Outbox(MEMORY, Bounds(size=100))

    rooms = outbox.add([letter("1", size=1000)], durable=True)

    assert ids(outbox) == []
    assert rooms["a"].dropped == 1


def test_endpoints_do_not_take_each_others_room() -> None:
    outbox = Outbox(MEMORY, Bounds(letters=2))
    add(outbox, letter("1", "pull", "b"))

    add(outbox, *[letter(str(number), "pull") for number in range(2, 9)])

    assert ids(outbox, "b") == ["1"]
    assert len(ids(outbox)) == 2


def test_full_disk_changes_nothing(outbox: Outbox) -> None:
    add(outbox, letter("1"))
    limit = outbox.database.execute("PRAGMA page_count").fetchone()[0]
    outbox.database.execute(f"PRAGMA max_page_count = {limit}")

    with pytest.raises(sqlite3.OperationalError, match="full"):
        add(outbox, *[letter(str(number), size=5000) for number in range(100)])
    outbox.database.execute("PRAGMA max_page_count = 100000")
    add(outbox, letter("2"))

    assert ids(outbox) == ["1", "2"]
    assert outbox.room("a").pending == 2


# -- dead letters --------------------------------------------------------------------------------


def test_buried_letter_is_replayed_behind_all_others(outbox: Outbox) -> None:
    add(outbox, letter("1"), letter("2"))
    first = outbox.first("a", 1)[0]

    room = outbox.bury(first, None, "refused 3 times")

    assert (room.buried, room.pending, room.dead) == (1, 1, 1)
    assert ids(outbox) == ["2"]
    assert outbox.replay(None, None) == 1
    assert ids(outbox) == ["2", "1"]
    assert outbox.first("a", 2)[1].refusals == 0
    assert dead(outbox) == []


def test_all_that_is_older_is_buried_at_once(outbox: Outbox) -> None:
    old = [Letter("a", str(at), "push", "s", float(at), "t", b"") for at in (10, 20, 30)]
    add(outbox, *old, letter("other", endpoint="b"))

    outbox.bury(outbox.first("a", 1)[0], 20.0, "older than 1 s")

    assert ids(outbox) == ["30"]
    assert dead(outbox) == ["10", "20"]
    assert ids(outbox, "b") == ["other"]


@pytest.mark.parametrize(
    ("endpoint", "numbers", "left"),
    [
        (None, None, []),
        ("a", None, ["3"]),
        (None, [1, 3], ["2"]),
        ("a", [1, 3], ["2", "3"]),
        (None, [99], ["1", "2", "3"]),
    ],
)
@pytest.mark.parametrize("what", ["drop", "replay"])
def test_dead_letters_are_chosen(
    outbox: Outbox, what: str, endpoint: str | None, numbers: list[int] | None, left: list[str]
) -> None:
    add(outbox, letter("1"), letter("2"), letter("3", endpoint="b"))
    for one in [*outbox.first("a", 9), *outbox.first("b", 9)]:
        outbox.bury(one, None, "because")
    act: Callable[..., int] = getattr(outbox, what)

    assert act(endpoint, numbers) == 3 - len(left)
    assert dead(outbox) == left
    assert outbox.room("a").pending + outbox.room("b").pending == (
        3 - len(left) if what == "replay" else 0
    )


def test_waiting_letters_are_dropped_for_one_endpoint_or_all(outbox: Outbox) -> None:
    add(outbox, letter("1"), letter("2"), letter("3", endpoint="b"))

    assert outbox.drop_waiting("a") == 2
    assert outbox.endpoints() == ["b"]
    assert outbox.drop_waiting(None) == 1
    assert outbox.endpoints() == []


# -- sharing -------------------------------------------------------------------------------------


def test_processes_write_side_by_side(folder: str) -> None:
    def write(name: str) -> None:
        outbox = Outbox(folder)
        for number in range(50):
            add(outbox, letter(f"{name}{number}"))
        outbox.close()

    threads = [Thread(target=write, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    outbox = Outbox(folder)
    found = ids(outbox)
    assert len(found) == 150
    for name in "xyz":
        assert [one for one in found if one[0] == name] == [f"{name}{n}" for n in range(50)]
    outbox.close()


def test_lock_has_one_holder(tmp_path: Path) -> None:
    first, second, other = (Lock(str(tmp_path), name) for name in ("a/b", "a/b", "c"))

    assert first.take()
    assert first.take()
    assert not second.take()
    assert other.take()
    first.give_back()
    assert second.take()
    for lock in (first, second, other):
        lock.give_back()
    assert {path.parent for path in tmp_path.rglob("*.lock")} == {tmp_path}


def test_lock_without_a_folder_is_free() -> None:
    assert Lock(None, "a").take()


# -- what cannot be an outbox --------------------------------------------------------------------


def test_folder_that_may_not_be_written() -> None:
    with pytest.raises(ConfigurationError, match=r"^notifications\.outbox\.path: no outbox"):
        Outbox("/proc/outbox")


def test_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()

    with pytest.raises(ConfigurationError) as caught:
        Outbox(str(path))

    assert str(caught.value) == (
        f"notifications.outbox.path: no outbox can be kept in {path}: File exists; name a folder "
        "on a local disk that the registry may write, or set `notifications.outbox.disabled: "
        "true` to keep events in memory only"
    )


def test_something_else_under_its_name(folder: str) -> None:
    os.makedirs(folder)
    Path(folder, "outbox.sqlite3").write_bytes(b"no database at all" * 100)

    with pytest.raises(ConfigurationError, match="file is not a database"):
        Outbox(folder)


def test_outbox_of_a_newer_version(folder: str, outbox: Outbox) -> None:
    outbox.database.execute("PRAGMA user_version = 9")

    with pytest.raises(ConfigurationError, match="was written by a newer version"):
        Outbox(folder)


@pytest.mark.usefixtures("outbox")
def test_nobody_else_may_read_it(folder: str) -> None:
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{folder}/outbox.sqlite3").st_mode) == 0o600
