"""plugins.md tells the truth: about signatures, files, commands' output and statuses."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from fsspec.implementations.local import LocalFileSystem

from entrepot.core import (
    AccessError,
    DeleteError,
    DeniedError,
    Event,
    FullError,
    NotFoundError,
    Push,
    StorageError,
    UnavailableError,
    hookspecs,
)
from entrepot.core.configuration import PluggedModels, driver_options, load, shown
from entrepot.core.driver import Driver, Upload
from entrepot.core.events import Source, Target
from entrepot.core.manifest import Manifest
from entrepot.core.names import Digest
from entrepot.core.parameters import markdown
from entrepot.core.plugins import DISABLE, Plugins
from entrepot.core.probe import probe
from entrepot.core.testing import DriverSuite
from entrepot.core.testing.material import get, put
from entrepot.core.testing.proxy import Action
from entrepot.core.wrapping import WrappingDriver
from entrepot.drivers.inmemory import InMemoryDriver
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
    exec(compile(code, "plugins.md", "exec", dont_inherit=True), namespace)
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
    async with share.open(options) as driver:
        await put(driver, "a/b", b"content")
        assert await get(driver, "a/b") == b"content"


@pytest.mark.anyio
async def test_driver_of_the_page_that_says_so_creates_exclusively(tmp_path: Path) -> None:
    kind = run_block("FolderDriver")["FolderDriver"]

    @asynccontextmanager
    async def opening() -> AsyncGenerator[Driver, None]:
        filesystem = LocalFileSystem(skip_instance_cache=True)
        async with kind(filesystem, str(tmp_path)) as driver:
            yield driver

    report = await probe(opening)

    assert report.kept
    assert {finding.check: finding.result for finding in report.findings}[
        "16 creates at once"
    ] == "ok"


@pytest.mark.anyio
async def test_middleware_of_the_page_works() -> None:
    class Linking(WrappingDriver):
        async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
            return f"http://bucket/{key}"

    hook = run_block("open_streamed")["register_storage_middlewares"]
    plugins = Plugins()
    plugin = type("plugin", (), {"register_storage_middlewares": staticmethod(hook)})
    plugins.add(plugin, "streamed")
    streamed = plugins.storage_middleware("streamed", "middleware.storage.0.name")

    options = streamed.options.model_validate({"below": "docker/"})
    async with streamed.open(options, Linking(InMemoryDriver())) as driver:
        assert await driver.link("docker/a", "GET", 60) is None
        assert await driver.link("other", "GET", 60) == "http://bucket/other"


@pytest.mark.anyio
async def test_middleware_of_the_page_reaches_a_second_store() -> None:
    namespace = run_block("open_archived")
    options = namespace["ArchivedOptions"].model_validate({"storage": {"inmemory": {}}})
    archive = InMemoryDriver()
    options.storage.bind(lambda: nullcontext(archive))

    async with namespace["open_archived"](options, InMemoryDriver()) as driver:
        assert driver.archive is archive


@pytest.mark.anyio
async def test_observer_of_the_page_works(tmp_path: Path) -> None:
    hook = run_block("open_ledger")["register_observers"]
    plugins = Plugins()
    plugins.add(type("plugin", (), {"register_observers": staticmethod(hook)}), "ledger")
    ledger = plugins.observer("ledger", "notifications.observers.0.name")
    path = tmp_path / "pushes"

    async with ledger.open(ledger.options.model_validate({"path": str(path)})) as observer:
        for tag in ("1", "", "3"):
            target = Target("app", "sha256:1", tag=tag)
            await observer.observe(Event("e", 0.0, "push", target, Source("r"), "ann"))
            await observer.observe(Event("e", 0.0, "pull", target, Source("r"), "ann"))

    assert path.read_text() == "app:1 ann\napp:3 ann\n"


@pytest.mark.anyio
async def test_admission_of_the_page_works() -> None:
    hook = run_block("open_labelled")["register_admissions"]
    plugins = Plugins()
    plugins.add(type("plugin", (), {"register_admissions": staticmethod(hook)}), "labelled")
    labelled = plugins.admission("labelled", "policy.admission.0.name")
    bare = Manifest(b"", Digest.of(b""), "a/b")

    async with labelled.open(labelled.options.model_validate({"annotation": "a"})) as admission:
        await admission.admit(Push("app", bare))
        await admission.admit(Push("app", replace(bare, annotations={"a": "1"}), ("1",)))
        with pytest.raises(DeniedError, match="needs the annotation a"):
            await admission.admit(Push("app", bare, ("1",)))


def test_secrets_in_options_of_the_page_are_shown_nowhere() -> None:
    namespace = run_block("TapeOptions")
    model = namespace["TapeOptions"]
    written = {"endpoint": "http://tape", "password": "hunter2", "extra": {"sas": "hunter2"}}
    plugins = PluggedModels({"tape": model})
    loaded = load(None, {"REGISTRY_STORAGE": json.dumps({"tape": written})}, plugins)

    options = driver_options(loaded.configuration.storage, model)

    assert namespace["client_settings"](options) == {"password": "hunter2", "sas": "hunter2"}
    assert "hunter2" not in f"{options!r}{shown(loaded, plugins)}{markdown('tape', model)}"


def test_page_names_every_failure_of_the_proxy() -> None:
    (sentence,) = re.findall(r"An action is one of (.*?)\.\s", PAGE, re.DOTALL)

    assert set(re.findall(r"`([^`]+)`", sentence)) == set(get_args(Action))


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
