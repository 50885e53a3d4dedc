"""A sift opens no folder that is not wanted, which is what it is for."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot.core.testing.material import put_all, sifted
from entrepot.drivers.filesystem import FilesystemOptions, open_filesystem

pytestmark = pytest.mark.anyio
KEYS = [f"b/{a}/{b}/data" for a in "xy" for b in "123"]


async def test_it_opens_what_is_wanted_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    scandir = os.scandir

    def watched(path: Any) -> Any:
        opened.append(os.path.relpath(path, tmp_path))
        return scandir(path)

    async with open_filesystem(FilesystemOptions(rootdirectory=str(tmp_path))) as driver:
        await put_all(driver, KEYS)
        asked: list[str] = []

        def wanted(folder: str) -> bool:
            asked.append(folder)
            return folder in {"b/x/", "b/x/2/"}

        monkeypatch.setattr(os, "scandir", watched)
        found = await sifted(driver, "b/", wanted)

    assert found == ["b/x/2/data"]
    assert asked == ["b/x/", "b/x/1/", "b/x/2/", "b/x/3/", "b/y/"]
    assert opened == ["b", "b/x", "b/x/2"]


async def test_it_looks_for_a_name_without_opening_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_filesystem(FilesystemOptions(rootdirectory=str(tmp_path))) as driver:
        await put_all(driver, [*KEYS, "b/x/1/other", "b/x/2/data.d/x", "b/y/3/deeper/data"])
        answers = {f"b/{a}/{b}/": "data" for a in "xy" for b in "123"} | {"b/y/1/": "absent"}
        answers["b/x/2/"] = "data.d"  # a folder, and no object
        monkeypatch.setattr(os, "scandir", _only({"b", "b/x", "b/y"}, tmp_path))

        found = await sifted(driver, "b/", lambda folder: answers.get(folder, True))

    assert found == ["b/x/1/data", "b/x/3/data", "b/y/2/data", "b/y/3/data"]


def _only(allowed: set[str], root: Path) -> Callable[[Any], Any]:
    """`scandir` of these folders; any other is an error."""
    scandir = os.scandir

    def scan(path: Any) -> Any:
        assert os.path.relpath(path, root) in allowed
        return scandir(path)

    return scan


async def test_an_error_of_the_question_comes_out(tmp_path: Path) -> None:
    def wanted(folder: str) -> bool:
        raise LookupError(folder)

    async with open_filesystem(FilesystemOptions(rootdirectory=str(tmp_path))) as driver:
        await put_all(driver, KEYS)
        with pytest.raises(LookupError, match="b/x/"):
            await sifted(driver, "b/", wanted)
