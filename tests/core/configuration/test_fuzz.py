"""Files and variables that nobody would write: mistakes in one line each, and soon."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.core.configuration import PluggedModels, load, shown
from entrepot.core.configuration.model import Configuration
from entrepot.core.configuration.shape import known_paths
from entrepot.core.errors import ConfigurationError
from entrepot.core.plugins import load_plugins

PATHS = sorted({".".join(path) for path in known_paths(Configuration)})
WORDS = sorted({word for path in PATHS for word in path.upper().split(".")} | {"S3", "OPTIONS"})
HEAD = "version: 0.1\nstorage: inmemory\n"
LINE = 2000  # characters of a mistake, at most
FUZZ = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["inmemory", "filesystem", "10s", ":5000", "https://a", "0o7", "1e400", "<<"]),
    st.dates(),
)
keys = st.one_of(
    st.sampled_from(sorted({key for path in PATHS for key in path.split(".")})),
    st.text(max_size=10),
    st.integers(),
    st.none(),
)
trees = st.recursive(
    scalars,
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(keys, below, max_size=4)),
    max_leaves=20,
)
names = st.one_of(
    st.lists(st.sampled_from([*WORDS, "0", "1", "FILE", "X"]), min_size=1, max_size=7).map(
        "_".join
    ),
    st.text(st.characters(exclude_characters="\0="), min_size=1, max_size=30),
)
values = st.one_of(
    trees.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True)),  # pyright: ignore[reportUnknownMemberType]
    st.text(st.characters(exclude_characters="\0"), max_size=40),
    st.binary(max_size=20).map(
        lambda raw: raw.replace(b"\0", b"").decode(errors="surrogateescape")
    ),
)


@cache
def models() -> PluggedModels:
    return load_plugins(frozenset({"obstore", "oss", "rados", "swift"})).models


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tried(content: bytes | str, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """What loading says: notes if it does, mistakes if it does not; never anything else."""
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    Path("config.yml").write_bytes(raw)
    began = time.monotonic()
    try:
        loaded = load("config.yml", environ or {}, models())
    except ConfigurationError as error:
        said = error.mistakes
        assert said
    else:
        said = loaded.notes
        yaml.safe_dump(shown(loaded, models()))  # pyright: ignore[reportUnknownMemberType]
    assert time.monotonic() - began < 10
    for one in said:
        assert one.isprintable(), one
        assert len(one) < LINE
        assert "Input should" not in one, "pydantic's words are none for operators"
    return said


@FUZZ
@given(trees)
def test_any_tree(tree: object) -> None:
    tried(yaml.safe_dump(tree, allow_unicode=True))  # pyright: ignore[reportUnknownMemberType]


@FUZZ
@given(st.sampled_from(PATHS), trees)
def test_any_tree_where_a_key_is(path: str, tree: object) -> None:
    for key in reversed(path.split(".")):
        tree = [tree] if key == "0" else {key: tree}
    tried(f"version: 0.1\nstorage: inmemory\n{yaml.safe_dump(tree)}")  # pyright: ignore[reportUnknownMemberType]


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    tried(content)
    tried(HEAD.encode() + content)


@FUZZ
@given(st.text("[]{}:,-&*!|>'\"%@`?# \n\tab0.<~", max_size=80))
def test_any_punctuation(content: str) -> None:
    tried(HEAD + content)


@FUZZ
@given(st.dictionaries(names, values, max_size=4))
def test_any_variables(variables: Mapping[str, str]) -> None:
    tried(HEAD, {f"REGISTRY_{name}": value for name, value in variables.items()})


@pytest.mark.parametrize("depth", [50, 400, 2000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_nesting_in_a_file(depth: int, opening: str, closing: str) -> None:
    for key in ("log: {fields: {a: ", "http: {headers: {a: ", "storage2: {a: {b: "):
        tried(f"{HEAD}{key}{opening * depth}{closing * depth}}}}}\n")


@pytest.mark.parametrize("depth", [10, 400, 2000])
def test_nesting_in_a_variable(depth: int) -> None:
    for section in ("LOG_FIELDS", "STORAGE_S3", "HTTP_HEADERS", "HTTP", "REDIS_OPTIONS"):
        tried(HEAD, {f"REGISTRY_{section}{'_A' * depth}": "1"})
        tried(HEAD, {f"REGISTRY_{section}": "[" * depth + "]" * depth})
    tried(HEAD, {"REGISTRY_LOG_FIELDS_A_" + "0_" * depth + "0": "1"})


def laughs(depth: int, width: int) -> str:
    """Lists of lists of lists: text that is short, and what it stands for is not."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "content",
    [
        laughs(9, 9),
        laughs(60, 2),
        "log: &a {fields: *a}\n",
        "log: {fields: &a [*a]}\n",
        "a: &a {<<: *a}\n",
        "a: &a {b: 1}\nlog: {fields: {<<: [*a, *a, *a]}}\n",
        "log: {fields: {<<: 1}}\n",
        "log: {fields: {<<: [1]}}\n",
    ],
    ids=range(8),
)
def test_aliases(content: str) -> None:
    assert tried(HEAD + content)


@pytest.mark.parametrize("scalar", ["1" * 5000, "a" * 100_000, "0x" + "f" * 5000,
                                    "1." + "0" * 5000, "1e99999", "0b" + "1" * 20_000])  # fmt: skip
def test_huge_scalar(scalar: str) -> None:
    for key in ("http: {secret: %s}", "http: {workers: %s}", "%s: 1", "http: {addr: ':%s'}",
                "http: {draintimeout: %s}", "log: {fields: {a: %s}}", "storage2: %s"):  # fmt: skip
        tried(HEAD + key % scalar)
    tried(HEAD, {"REGISTRY_HTTP_WORKERS": scalar, "REGISTRY_LOG_FIELDS_A": scalar})


@pytest.mark.parametrize("name", ["HTTP_TLS_CLIENTCAS_" + "9" * 5000, "HTTP_TLS_CLIENTCAS_٣",
                                  "A" * 100_000, "STORAGE_S3_" + "A" * 100_000])  # fmt: skip
def test_huge_name(name: str) -> None:
    tried(HEAD, {f"REGISTRY_{name}": "1"})


@pytest.mark.parametrize(
    "content", [b"a: b\n" * 2_000_000, b"[" + b"a," * 4_000_000 + b"]", b" " * 20_000_000]
)
def test_huge_file(content: bytes) -> None:
    assert tried(content) == ("config.yml: too large: a configuration has 1 MiB at most",)


def test_file_without_end() -> None:
    with pytest.raises(ConfigurationError, match=r"/dev/zero: too large"):
        load("/dev/zero", {})
    with pytest.raises(ConfigurationError, match="too large"):
        load(None, {"REGISTRY_HTTP_SECRET_FILE": "/dev/zero"})


def test_many_values() -> None:
    (told,) = tried(HEAD + "log: {fields: {a: [" + "a," * 60_000 + "a]}}\n")

    assert told == "not usable: more than 50000 values [file config.yml line 3]"
    tried(HEAD + "".join(f"a{n}: b\n" for n in range(2_000)))
