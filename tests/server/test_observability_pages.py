"""docs/health.md and docs/metrics.md: their configurations start, their tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from entrepot.core.configuration import Configuration, load
from entrepot.core.configuration.model_services import FileCheck, HttpCheck, StorageCheck, TcpCheck
from entrepot.server.app import create_app
from entrepot.server.debug import debug_app
from entrepot.server.metrics.meters import Metrics

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def example(name: str, folder: Path) -> Configuration:
    """The page's configuration, over a folder of ours and without looking up foreign hosts."""
    [text] = re.findall(r"```yaml\n(.*?)```", page(name), re.DOTALL)
    path = folder / "config.yml"
    path.write_text(text)
    environ = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(folder / "root")}
    if name == "health.md":
        environ["REGISTRY_HEALTH_HTTPCHECKERS_0_URI"] = "http://127.0.0.1:9/live"
        environ["REGISTRY_HEALTH_TCPCHECKERS_0_ADDR"] = "127.0.0.1:9"
    return load(path, environ).configuration


@pytest.mark.parametrize("name", ["health.md", "metrics.md"])
def test_configuration_starts(name: str, tmp_path: Path) -> None:
    configuration = example(name, tmp_path)
    app = create_app(configuration)

    with TestClient(app) as client:
        assert client.get("/livez").status_code == 200
        debug = TestClient(debug_app(configuration, app))
        assert debug.get("/debug/health").status_code in {200, 503}
        assert debug.get("/metrics").status_code == (200 if name == "metrics.md" else 404)


def test_every_metric_has_its_row() -> None:
    rows = {
        name: (kind, {label for label in labels.split(", ") if label})
        for name, kind, labels in re.findall(
            r"^\| `(registry_\w+)` \| (\w+) \| ([^|]*?) ?\|", page("metrics.md"), re.MULTILINE
        )
    }

    found: dict[str, str] = {}
    for family in Metrics().registry.collect():
        if family.name.startswith("registry_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = family.type
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == rows[name][1], name
    assert {name: kind for name, (kind, _) in rows.items()} == found


def test_defaults_of_checks() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", page("health.md"), re.MULTILINE))

    for model in (StorageCheck, FileCheck, HttpCheck, TcpCheck):
        for key, default in rows.items():
            if key in model.model_fields:
                assert str(model.model_fields[key].default).startswith(default)
    assert set(rows) == {"interval", "threshold", "timeout"}
