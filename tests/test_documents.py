"""Every configuration that a document shows is loaded, and started where it needs nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jwt.algorithms
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from starlette.testclient import TestClient
from tests.core.configuration.describing import undescribed
from tests.drivers.certificates import server_tls

from entrepot.core.configuration import Configuration, Loaded, load, schema
from entrepot.core.configuration.tree import is_mapping
from entrepot.core.plugins import Plugins, load_plugins
from entrepot.server.app import create_app

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "plugins.md")),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("drivers/*/README.md"),
    ]
)
BLOCK = re.compile(r"^```ya?ml\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
PATH = re.compile(r"(?<![\w:/.])/(?:etc|var|srv|run|data|cache|tmp)/[\w./-]+")
SECTIONS = frozenset(Configuration.model_fields)
ALONE = {"filesystem", "inmemory"}
USERS = "user:$2y$04$LPGj.k5Z/gQSUfN/uGoGneZCwk6LgRGzZXIPneFLOoVPtdbFbW6lC\n"
RULES = "rules: [{anonymous: true, repositories: ['**'], actions: [pull]}]\n"


def examples() -> Iterator[tuple[str, str]]:
    """The place and the text of each block that is a configuration, or a part of one."""
    for document in DOCUMENTS:
        content = document.read_text(encoding="utf-8")
        for block in BLOCK.finditer(content):
            place = f"{document.relative_to(ROOT)}:{content.count(chr(10), 0, block.start()) + 1}"
            value: object = yaml.safe_load(block["text"])
            if is_mapping(value) and set(value) <= SECTIONS:
                yield place, completed(block["text"], value)


def completed(text: str, value: Mapping[str, Any]) -> str:
    """A part of a configuration as a whole one."""
    head = "" if "version" in value else "version: 0.1\n"
    return head + text + ("" if "storage" in value else "storage: inmemory\n")


EXAMPLES = dict(examples())
STARTED = [place for place in EXAMPLES if not place.startswith("plugins.md:")]
"""What plugins.md shows needs the plug-ins that it tells how to write."""


def stores(configuration: Configuration) -> set[str]:
    """The drivers that have to be opened, also those of middlewares."""
    others = [item.options.get("storage") for item in configuration.middleware.storage]
    named = [name for other in others if is_mapping(other) for name in other]
    return {configuration.storage.driver, *named}


@cache
def plugins() -> Plugins:
    return load_plugins()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@cache
def described() -> dict[str, Any]:
    return schema(plugins().models)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A certificate and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    server_tls(folder)
    return (folder / "both.pem").read_bytes()


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, both: bytes) -> Path:
    """The example as a file; files that it names are there, with what belongs into them."""
    text = EXAMPLES[request.param]
    for name in set(PATH.findall(text)):
        write(tmp_path / name[1:], both)
    path = tmp_path / "config.yml"
    path.write_text(PATH.sub(lambda found: f"{tmp_path}{found[0]}", text), encoding="utf-8")
    return path


def write(path: Path, both: bytes) -> None:
    """A file, if the name is one of a file; else it may be one that must not be there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = both[both.index(b"-----BEGIN PRIVATE KEY") :]
    match path.name, path.suffix:
        case name, ".pem":
            path.write_bytes(key if "key" in name else both)
        case _, ".yml":
            path.write_text(RULES)
        case _, ".json":
            path.write_text(f'{{"keys": [{jwk(key)}]}}')
        case "htpasswd" | "users", _:
            path.write_text(USERS)
        case _:
            pass


def jwk(key: bytes) -> str:
    private: Any = serialization.load_pem_private_key(key, None)
    return str(jwt.algorithms.ECAlgorithm.to_jwk(private.public_key()))


def loaded(path: Path) -> Loaded:
    return load(path, {}, plugins().models)


def test_documents_have_examples() -> None:
    assert len(EXAMPLES) > 20


@pytest.mark.parametrize("place", EXAMPLES, indirect=True)
def test_example_is_loaded_without_a_word(place: Path) -> None:
    assert loaded(place).notes == ()


@pytest.mark.parametrize("place", EXAMPLES, indirect=True)
def test_example_is_what_the_schema_describes(place: Path) -> None:
    assert undescribed(described(), place.read_text()) == []


@pytest.mark.parametrize("place", STARTED, indirect=True)
def test_example_is_started(place: Path) -> None:
    configuration = loaded(place).configuration
    if not stores(configuration) <= ALONE:
        pytest.skip("its storage is a service of somebody else")

    with TestClient(create_app(configuration, plugins())) as client:
        answer = client.get(f"{configuration.http.prefix}v2/")

    assert answer.status_code in {200, 401}


@pytest.mark.parametrize("name", ["image-2", "image-3", "development", "example", "debian"])
def test_file_that_others_ship_is_started(name: str, tmp_path: Path) -> None:
    environ = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "registry")}
    if name in {"example", "debian"}:
        (tmp_path / "users").write_text(USERS)
        environ["REGISTRY_AUTH_HTPASSWD_PATH"] = str(tmp_path / "users")
    path = ROOT / "tests" / "core" / "configuration" / "shipped" / f"{name}.yml"
    found = load(path, environ, plugins().models)

    with TestClient(create_app(found.configuration, plugins())) as client:
        answer = client.get("/v2/", auth=("user", "secret"))

    assert found.notes == ()
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
