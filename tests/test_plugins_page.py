"""plugins.md tells the truth: about signatures, files, commands' output and statuses."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot.core import (
    AccessError,
    DeleteError,
    FullError,
    NotFoundError,
    StorageError,
    UnavailableError,
    hookspecs,
)
from entrepot.core.driver import Driver, Upload
from entrepot.core.plugins import DISABLE, Plugins
from entrepot.core.testing import DriverSuite
from entrepot.core.testing.material import get, put
from entrepot.server.errors import answer

PAGE = Path(__file__).parents[1].joinpath("plugins.md").read_text()
PROJECT = Path(__file__).parent / "example_plugin"


def blocks(language: str) -> list[tuple[str, str]]:
    """The code blocks of a language, each with the comment in front of it, if any."""
    pattern = rf"(?:<!-- ([^\n]*) -->\n)?```{language}\n(.*?)```"
    return re.findall(pattern, PAGE, re.DOTALL)


def signature(definition: str) -> str:
    """A function's head, freed of how it is written: name, arguments, result."""
    (node,) = ast.parse(textwrap.dedent(definition)).body
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    start = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    assert node.returns is not None
    return f"{start} {node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}"


def source(function: Callable[..., Any]) -> str:
    """A function's source without decorators."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    return "\n".join(line for line in lines if not line.startswith("@"))


HEADINGS = [signature(f"{head}: ...") for head in re.findall(r"^### `(.*)`$", PAGE, re.MULTILINE)]
METHODS = [
    function
    for kind in (Driver, Upload)
    for name, function in vars(kind).items()
    if inspect.isfunction(function) and not name.startswith("_")
]
HOOKS = [
    function
    for function in vars(hookspecs).values()
    if hasattr(function, f"{hookspecs.PROJECT}_spec")
]


@pytest.mark.parametrize("function", METHODS + HOOKS, ids=lambda function: function.__qualname__)
def test_page_has_a_heading_with_the_exact_signature(function: Callable[..., Any]) -> None:
    assert signature(source(function)) in HEADINGS


def test_page_has_no_heading_for_what_does_not_exist() -> None:
    assert sorted(HEADINGS) == sorted(signature(source(each)) for each in METHODS + HOOKS)


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("python", "entrepot_dictionary.py"),
        ("toml", "pyproject.toml"),
        ("python", "tests/test_conformance.py"),
    ],
)
def test_page_quotes_the_example_to_the_letter(language: str, name: str) -> None:
    quoted = dict(blocks(language))

    assert quoted[f"tests/example_plugin/{name}"] == (PROJECT / name).read_text()


@pytest.mark.parametrize("code", [code for _, code in blocks("python")])
def test_page_shows_python_that_parses(code: str) -> None:
    compile(code, "plugins.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_page_counts_the_suites_tests() -> None:
    tests = [name for name in dir(DriverSuite) if name.startswith("test_")]

    assert f"a suite of\n{len(tests)} tests" in PAGE


def run_block(name: str) -> dict[str, Any]:
    code = dict(blocks("python"))[f"runs: {name}"]
    namespace: dict[str, Any] = {}
    exec(compile(code, "plugins.md", "exec"), namespace)
    return namespace


def test_translating_idiom_works() -> None:
    translating = run_block("translating")["translating"]

    for foreign, kind in (
        (FileNotFoundError("gone"), NotFoundError),
        (PermissionError("no"), AccessError),
        (TimeoutError("late"), UnavailableError),
    ):
        with pytest.raises(kind) as raised, translating("a"):
            raise foreign
        assert raised.value.key == "a"


@pytest.mark.anyio
async def test_filesystem_driver_of_the_page_works(tmp_path: Path) -> None:
    namespace = run_block("open_share")
    plugin = type("plugin", (), {"register_drivers": staticmethod(namespace["register_drivers"])})
    plugins = Plugins()
    plugins.add(plugin, "share")
    share = plugins.driver("share")

    options = share.options.model_validate({"protocol": "file", "root": str(tmp_path)})
    async with share.open_driver(options) as driver:
        await put(driver, "a/b", b"content")
        assert await get(driver, "a/b") == b"content"


@pytest.mark.parametrize(
    "error",
    [
        AccessError("a", "no"),
        FullError("a", "full"),
        UnavailableError("a", "late"),
        DeleteError({"a": FullError("a", "full")}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_page_tells_the_status_of_an_error(error: StorageError) -> None:
    statuses = dict(re.findall(r"^\| `(\w+)\(.*\)` \|.*\| (\d{3})[^|]*\|$", PAGE, re.MULTILINE))

    assert statuses[type(error).__name__] == str(answer(error).status_code)


def test_page_names_the_variable_that_disables_plugins() -> None:
    assert f"`{DISABLE}=dictionary`" in PAGE
