"""Files that change while the server runs, are replaced, cut off or taken away."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from entrepot.server.authentication import watching
from entrepot.server.authentication.watching import Watched


def text(content: bytes) -> str:
    if b"bad" in content:
        raise ValueError("it is bad")
    return content.decode()


def watched(path: Path) -> Watched[str]:
    return Watched("key", str(path), text, lambda content: "" if content else "it is empty")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("one")
    return path


def test_change_in_place(file: Path) -> None:
    it = watched(file)
    assert not it.look()

    file.write_text("two")  # as long, and within the same tick of the clock

    assert it.look()
    assert it.value == "two"
    assert not it.look()


def same(_: os.stat_result) -> tuple[int, int, int, int, int]:
    return 0, 0, 0, 0, 0


def test_young_file_is_read_again_though_nothing_shows_a_change(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_signature", same)
    it = watched(file)

    file.write_text("two")
    assert it.look()

    then = time.time() - 60
    os.utime(file, (then, then))
    assert not it.look()
    file.write_text("six")
    assert not it.look(), "it was old when it was read last"


def test_replaced_with_its_old_times(file: Path) -> None:
    it = watched(file)
    before = file.stat()
    (file.parent / "next").write_text("two")
    os.utime(file.parent / "next", ns=(before.st_atime_ns, before.st_mtime_ns))

    os.replace(file.parent / "next", file)

    assert it.look()
    assert it.value == "two"


def test_swapped_link_as_kubernetes_does_it(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "data").symlink_to("one")
    it = watched(tmp_path / "data" / "file")

    (tmp_path / "data.new").symlink_to("two")
    os.replace(tmp_path / "data.new", tmp_path / "data")

    assert it.look()
    assert it.value == "two"


def test_settled_file_is_not_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    then = time.time() - 60
    os.utime(file, (then, then))
    it = watched(file)

    def no_open(*_: object) -> int:
        raise AssertionError("it was opened")

    monkeypatch.setattr(os, "open", no_open)

    assert not it.look()


@pytest.mark.parametrize("trouble", ["gone", "bad", "empty", "folder", "large"])
def test_trouble_is_told_once_and_over_when_it_is_over(
    trouble: str, file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = watched(file)
    monkeypatch.setattr(watching, "_LARGEST", 10)

    if trouble in {"gone", "folder"}:
        file.unlink()
        if trouble == "folder":
            file.mkdir()
    else:
        file.write_text({"bad": "bad", "empty": "", "large": "x" * 11}[trouble])

    for _ in range(3):
        assert not it.look()
    assert it.value == "one"
    assert len(caplog.records) == 1
    assert caplog.records[0].levelname == "ERROR"
    assert str(file) in caplog.text

    if trouble == "folder":
        file.rmdir()
    (file.parent / "next").write_text("two")
    os.replace(file.parent / "next", file)

    assert it.look()
    assert it.value == "two"

    file.unlink()
    assert not it.look()
    assert len([each for each in caplog.records if each.levelname == "ERROR"]) == 2


def test_same_content_again_is_no_change(file: Path) -> None:
    it = watched(file)

    file.write_text("one")

    assert not it.look()


@pytest.mark.parametrize("what", ["nothing", "folder", "pipe", "bad"])
def test_unusable_at_the_start(what: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "bad":
        path.write_text("bad")

    with pytest.raises((OSError, ValueError)):
        watched(path)
