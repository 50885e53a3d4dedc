"""docs/notifications.md tells the truth: its configuration starts, its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient
from tests.server.conftest import Pusher
from tests.server.notifications.notifying import waiting

from entrepot.core import admission, events
from entrepot.core.configuration import Configuration, load
from entrepot.core.configuration.model_services import Endpoint, Outbox
from entrepot.server.app import create_app
from entrepot.server.notifications import keeping, sending

PAGE = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text(encoding="utf-8")
DISTRIBUTIONS = {
    "backoff",
    "disabled",
    "headers",
    "ignore",
    "ignoredmediatypes",
    "name",
    "threshold",
    "timeout",
    "url",
}


def example(folder: Path) -> Configuration:
    """The page's configuration, over folders of ours and to receivers that are not there."""
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    text = re.sub(r"https://[a-z]+\.example", "http://127.0.0.1:1", text)
    path = folder / "config.yml"
    path.write_text(text.replace("/var/lib/", f"{folder}/"))
    return load(path, {"REGISTRY_HTTP_DRAINTIMEOUT": "1s"}).configuration


def test_configuration_starts(tmp_path: Path) -> None:
    configuration = example(tmp_path)

    with TestClient(create_app(configuration)) as client:
        Pusher(client).blob("a", b"{}")
        client.head("/v2/a/blobs/none")

    assert waiting(str(tmp_path / "registry-outbox"), "scanner") != []
    assert waiting(str(tmp_path / "registry-outbox"), "audit") != []


def rows(heading: str) -> dict[str, str]:
    """Keys and defaults of the table behind a line."""
    table = PAGE.partition(heading)[2].partition("| key | default | meaning |")[2]
    found = re.findall(r"^\| `(\w+)` \| `(.*?)` \|", table.partition("\n\n")[0], re.MULTILINE)
    return dict(found)


def defaults(model: type[BaseModel]) -> dict[str, str]:
    def text(value: Any) -> str:
        return {"False": "false", "0s": "0"}.get(str(value), str(value))

    return {name: text(field.default) for name, field in model.model_fields.items()}


@pytest.mark.parametrize(
    ("heading", "model", "without"),
    [
        ("These are ours, for an endpoint:", Endpoint, DISTRIBUTIONS),
        ("And for the outbox", Outbox, set[str]()),
    ],
)
def test_table_has_each_key_with_its_default(
    heading: str, model: type[BaseModel], without: set[str]
) -> None:
    wanted = {key: text for key, text in defaults(model).items() if key not in without}

    assert rows(heading) == wanted


def test_keys_of_distribution_are_named() -> None:
    line = PAGE.partition("These are Distribution's:")[2].partition("They mean")[0]

    assert {key.partition(".")[0] for key in re.findall(r"`(\w[\w.]*)`", line)} - {
        "notifications"
    } == DISTRIBUTIONS


def test_figures() -> None:
    assert f"up to {sending.LETTERS} events" in PAGE
    assert f"{keeping.MOST:,} at\nmost" in PAGE
    assert keeping.PULL_SECONDS == 1 / 5
    assert f"{events.SECONDS:g} s at most each" in PAGE
    assert f"more than {admission.SECONDS:g} s refuses" in PAGE
