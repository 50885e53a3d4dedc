"""docs/authentication.md tells the truth: its configurations start, its tables are complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient
from tests.server.authentication.minting import Authority, new_key, pem, public_jwk
from tests.server.authentication.passwords import ALICE

from entrepot.core.configuration import load
from entrepot.core.plugins import Plugins
from entrepot.server.app import create_app
from entrepot.server.authentication.challenges import scope_of
from entrepot.server.authentication.needs import needs
from entrepot.server.authentication.options import ALGORITHMS, HtpasswdOptions, TokenOptions
from entrepot.server.routes import CATALOGUE, MANIFEST, UPLOADS, Match

PAGE = (Path(__file__).parents[3] / "docs" / "authentication.md").read_text()
CONFIGURATIONS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(CONFIGURATIONS)))
def test_configuration_starts(tmp_path: Path, plugins: Plugins, number: int) -> None:
    (tmp_path / "htpasswd").write_text(ALICE)
    (tmp_path / "tokens.pem").write_bytes(pem(Authority("tokens").certificate))
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [public_jwk(new_key())]}))
    text = CONFIGURATIONS[number].replace("/etc/entrepot", str(tmp_path))
    file = tmp_path / "config.yml"
    file.write_text(text.replace("/var/lib/registry", str(tmp_path / "registry")))

    configuration = load(file, {}, plugins.models).configuration

    with TestClient(create_app(configuration, plugins), "http://localhost") as client:
        assert client.get("/v2/").status_code == 401
        assert client.get("/").status_code == 200


def test_all_configurations_were_found() -> None:
    assert len(CONFIGURATIONS) == 3


def tables() -> Iterator[dict[str, str]]:
    """Keys and defaults of each table of options."""
    for table in PAGE.split("| key | default | meaning |")[1:]:
        rows = re.findall(r"^\| `(\w+)` \| (.*?)\|", table.partition("\n\n")[0], re.MULTILINE)
        yield {key: default.strip().strip("`") for key, default in rows}


@pytest.mark.parametrize(("at", "options"), [(0, HtpasswdOptions), (1, TokenOptions)])
def test_table_of_options_has_each_with_its_default(at: int, options: type[BaseModel]) -> None:
    words = {"()": "all"}

    assert list(tables())[at] == {
        name: "**required**"
        if field.is_required()
        else words.get(str(field.default), str(field.default))
        for name, field in options.model_fields.items()
    }


def test_all_algorithms_are_named() -> None:
    sentence = PAGE.partition("The algorithms are ")[2].partition(".")[0]

    assert sorted(re.findall(r"`(\w+)`", sentence)) == sorted(ALGORITHMS)


@pytest.mark.parametrize(
    ("match", "method", "query", "scopes"),
    [
        (Match(MANIFEST, "name", "x"), "GET", b"", "repository:NAME:pull"),
        (Match(MANIFEST, "name", "x"), "PUT", b"", "repository:NAME:pull,push"),
        (Match(MANIFEST, "name", "x"), "DELETE", b"", "repository:NAME:delete"),
        (
            Match(UPLOADS, "name"),
            "POST",
            b"mount=x&from=from",
            "repository:NAME:pull,push repository:FROM:pull",
        ),
        (Match(CATALOGUE), "GET", b"", "registry:catalog:*"),
    ],
)
def test_scopes_are_those_of_the_table(
    match: Match, method: str, query: bytes, scopes: str
) -> None:
    wanted = needs({"query_string": query}, match, method).wanted

    assert scope_of(wanted) == scopes.lower()
    for scope in scopes.split():
        assert f"`{scope}`" in PAGE
