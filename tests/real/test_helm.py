"""Helm keeps charts in our server."""

import hashlib
import json
from pathlib import Path

from tests.real.programs import require_tool, run
from tests.real.site import Site

HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"


def packed_chart(site: Site) -> Path:
    """A small chart, packed by Helm."""
    chart = site.folder / "demo"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: demo\nversion: 0.1.0\n")
    (chart / "templates" / "goods.yaml").write_text("kind: ConfigMap\napiVersion: v1\n")
    helm = require_tool("helm")
    run(helm, "package", chart, "--destination", site.folder, env=site.env)
    return site.folder / "demo-0.1.0.tgz"


def test_helm_pushes_and_pulls_a_chart(site: Site) -> None:
    chart, helm = packed_chart(site), require_tool("helm")
    charts = f"oci://{site.server.address}/{site.repository}"

    run(helm, "push", chart, charts, "--plain-http", env=site.env)
    site.registry.verify(f"{site.repository}/demo", "0.1.0")
    target = site.folder / "pulled"
    target.mkdir()
    run(helm, "pull", f"{charts}/demo", "--plain-http", "--destination", target, env=site.env)

    manifest = json.loads(site.registry.manifest(f"{site.repository}/demo", "0.1.0").content)
    assert manifest["config"]["mediaType"] == HELM_CONFIG
    pulled = (target / chart.name).read_bytes()
    assert hashlib.sha256(pulled).digest() == hashlib.sha256(chart.read_bytes()).digest()
