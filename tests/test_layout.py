"""The rooms: who may import whom, how long a module may be, what must not be where."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "core": {"entrepot.core", "pluggy", "fsspec", "pydantic", "pydantic_core", "yaml", "rehashes"},
    "drivers": {
        "adlfs",
        "aiobotocore",
        "aiohttp",
        "asyncssh",
        "azure",
        "botocore",
        "cryptography",
        "entrepot.core",
        "entrepot.drivers",
        "fsspec",
        "gcsfs",
        "google",
        "google_crc32c",
        "httpx2",
        "pydantic",
        "requests",
        "s3fs",
        "webdav4",
        "yarl",
    },
    "server": {
        "acme",
        "bcrypt",
        "cryptography",
        "entrepot.core",
        "entrepot.server",
        "granian",
        "httpx2",
        "josepy",
        "jwt",
        "opentelemetry",
        "prometheus_client",
        "pydantic",
        "pydantic_core",
        "pytest",
        "redis",
        "rich",
        "starlette",
        "typer",
        "uvicorn",
        "uvloop",
        "yaml",
    },
}
KIT = {"pytest", "anyio"}  # what the kit for driver authors needs besides
CAP = 400  # lines of a module
FUNCTION_CAP = 60  # lines of a function, its docstring included


def modules(room: str) -> list[Path]:
    found = sorted((ROOT / room / "entrepot").rglob("*.py"))
    assert found, room
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or node.module is not None
            yield node.module or ""


def allowed(name: str, roots: set[str]) -> bool:
    if name.partition(".")[0] in sys.stdlib_module_names:
        return True
    return any(name == root or name.startswith(f"{root}.") for root in roots)


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_what_it_may(room: str) -> None:
    wrong: list[str] = []
    for path in modules(room):
        roots = ROOMS[room] | (KIT if "testing" in path.parts else set[str]())
        tree = ast.parse(path.read_text(encoding="utf-8"))
        wrong += [
            f"{path.relative_to(ROOT)}: {name}"
            for name in imported(tree)
            if not allowed(name, roots)
        ]

    assert not wrong


def test_no_driver_is_named_outside_its_room() -> None:
    for room in ("core", "server"):
        for path in modules(room):
            assert "entrepot.drivers" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("room", ROOMS)
def test_modules_and_functions_are_short(room: str) -> None:
    long: list[str] = []
    for path in modules(room):
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > CAP:
            long.append(f"{path.relative_to(ROOT)}: {len(text.splitlines())} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_CAP:
                    long.append(f"{path.relative_to(ROOT)}: {node.name}: {lines} lines")

    assert not long


def test_nothing_hides_the_other_rooms_of_the_namespace() -> None:
    for room in ROOMS:
        assert not (ROOT / room / "entrepot" / "__init__.py").exists()
        assert (ROOT / room / "entrepot" / room / "py.typed").exists()


def test_public_surface_is_sorted_and_complete() -> None:
    import entrepot.core

    assert list(entrepot.core.__all__) == sorted(entrepot.core.__all__)
    for name in entrepot.core.__all__:
        assert getattr(entrepot.core, name) is not None
