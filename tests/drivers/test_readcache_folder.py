"""The read cache's folder: its budget, who leaves first, what a crash or a stranger left."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.core.names import Digest
from entrepot.drivers.readcache.folder import Folder

Add = Callable[..., Digest]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "a" / "cache"


@pytest.fixture
def folder(root: Path) -> Folder:
    folder = Folder(str(root), 1000)
    folder.prepare()
    return folder


@pytest.fixture
def add(folder: Folder) -> Add:
    """Adds a copy of 100 bytes that was used `age` seconds ago, and tells its digest."""

    def add_one(number: int, age: float = 0.0) -> Digest:
        content = b"%0100d" % number
        digest = Digest.of(content)
        new = folder.begin(digest, len(content))
        assert new is not None
        os.write(new.descriptor, content)
        folder.publish(new)
        used = time.time() - age
        os.utime(new.descriptor, (used, used))
        os.close(new.descriptor)
        return digest

    return add_one


def holds(folder: Folder, digest: Digest) -> bool:
    copy = folder.open(digest, None)
    if copy is not None:
        copy.close()
    return copy is not None


def on_disk(root: Path) -> int:
    files = [*root.glob("v1/copies/*/*/*"), *root.glob("v1/filling/*")]
    return sum(path.stat().st_size for path in files)


def test_longest_unused_leaves_first(folder: Folder, add: Add, root: Path) -> None:
    digests = [add(number, age=1000 - number) for number in range(10)]
    assert holds(folder, digests[0])  # and is used now

    add(10)

    assert [holds(folder, digest) for digest in digests[:4]] == [True, False, False, True]
    assert folder.used() == on_disk(root) == 900
    assert folder.evicted == 2


def test_budget_holds_however_much_comes(folder: Folder, add: Add, root: Path) -> None:
    for number in range(50):
        add(number, age=100 - number)
        assert on_disk(root) <= folder.used() <= 1000


def test_budget_holds_for_what_is_on_its_way(folder: Folder, add: Add) -> None:
    under_way = [folder.begin(Digest.of(b"%d" % number), 300) for number in range(3)]
    assert None not in under_way

    assert folder.begin(Digest.of(b"more"), 300) is None
    add(1)
    assert folder.begin(Digest.of(b"more"), 100) is not None
    assert folder.used() == 1000


def test_larger_than_the_budget_removes_nothing(folder: Folder, add: Add, root: Path) -> None:
    digest = add(1)

    assert folder.begin(Digest.of(b"more"), 1001) is None
    assert holds(folder, digest)
    assert list(root.glob("v1/filling/*")) == []


def test_reader_reads_on_when_its_copy_leaves(folder: Folder, add: Add) -> None:
    copy = folder.open(add(1, age=1000), None)
    assert copy is not None

    for number in range(2, 20):
        add(number, age=100 - number)
    folder.remove(Digest.of(b"%0100d" % 1))

    assert os.read(copy.descriptor, 200) == b"%0100d" % 1
    copy.close()


@pytest.mark.parametrize("size", [0, 99, 101])
def test_copy_of_another_length_is_removed(folder: Folder, add: Add, root: Path, size: int) -> None:
    digest = add(1)
    (path,) = root.glob("v1/copies/*/*/*")
    os.truncate(path, size)

    assert not holds(folder, digest)
    assert not path.exists()


def test_copy_that_is_no_file_is_not_opened(folder: Folder, add: Add, root: Path) -> None:
    digest = add(1)
    (path,) = root.glob("v1/copies/*/*/*")
    path.rename(root / "elsewhere")
    path.symlink_to(root / "elsewhere")

    with pytest.raises(OSError, match="symbolic links"):
        folder.open(digest, 100)


def test_one_copy_is_filled_by_one_at_a_time(folder: Folder, root: Path) -> None:
    other = Folder(str(root), 1000)
    digest = Digest.of(b"x")
    new = folder.begin(digest, 100)
    assert new is not None

    assert other.begin(digest, 100) is None
    other.prepare()  # removes only what nobody fills
    assert Path(new.path).exists()

    folder.discard(new)
    again = other.begin(digest, 100)
    assert again is not None
    other.discard(again)
    assert folder.used() == 0


def test_what_a_dead_process_left_is_removed_and_its_room_given_back(
    folder: Folder, root: Path
) -> None:
    new = folder.begin(Digest.of(b"x"), 900)
    assert new is not None
    os.close(new.descriptor)  # as the end of the process does

    assert folder.begin(Digest.of(b"y"), 900) is not None
    assert not Path(new.path).exists()
    assert folder.used() == 900
    assert len(list(root.glob("v1/filling/*"))) == 1


@pytest.mark.parametrize("content", [b"", b"nonsense", b"%031d\n" % 0, b"%031d\n" % 10**9])
def test_wrong_count_is_put_right_at_the_start(
    folder: Folder, add: Add, root: Path, content: bytes
) -> None:
    add(1)
    root.joinpath("v1/used").write_bytes(content)

    Folder(str(root), 1000).prepare()

    assert folder.used() == 100


def test_lower_budget_holds_from_the_start(add: Add, root: Path) -> None:
    digests = [add(number, age=100 - number) for number in range(10)]
    smaller = Folder(str(root), 250)

    smaller.prepare()

    assert [holds(smaller, digest) for digest in digests] == [False] * 8 + [True] * 2
    assert smaller.used() == on_disk(root) == 200


def test_nobody_else_may_look(folder: Folder, add: Add, root: Path) -> None:
    add(1)
    root.joinpath("v1").chmod(0o755)
    folder.prepare()

    paths = [root, *root.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in paths} == {0}


def test_nothing_outside_its_own_subfolder_is_touched(root: Path) -> None:
    root.mkdir(parents=True)
    root.chmod(0o755)
    root.joinpath("precious").write_bytes(b"x" * 5000)

    Folder(str(root), 1000).prepare()

    assert root.joinpath("precious").exists()
    assert stat.S_IMODE(root.stat().st_mode) == 0o755
