"""A store that cannot be used: told at start, in one line, soon, and without its secrets."""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.real.backends import Backend
from tests.real.programs import clean_environment
from tests.real.servers import entrepot_command, free_port

SECONDS = 45.0
WRONG = "b2Ygbm8gYWNjb3VudCBhdCBhbGw="  # base64, as Azure's keys are
CASES: list[Any] = [
    pytest.param("s3", {"secretkey": WRONG}, r"access|denied|signature|key", id="s3 wrong secret"),
    pytest.param("s3", {"accesskey": "nobody"}, r"access|key", id="s3 unknown key"),
    pytest.param("s3", {"bucket": "no-such-bucket"}, r"bucket", id="s3 no bucket"),
    pytest.param("s3", {"regionendpoint": "closed"}, r"connect|reach|answer", id="s3 nobody"),
    pytest.param("gcs", {"bucket": "no-such-bucket"}, r"bucket", id="gcs no bucket"),
    pytest.param("gcs", {"endpoint": "closed"}, r"connect|reach|answer", id="gcs nobody"),
    pytest.param("azure", {"accountkey": WRONG}, r"auth|key|access", id="azure wrong key"),
    pytest.param("azure", {"container": "no-such-one"}, r"container", id="azure no container"),
    pytest.param("azure", {"serviceurl": "closed"}, r"connect|reach|answer", id="azure nobody"),
    pytest.param("oss", {"accesskeysecret": WRONG}, r"accesskeysecret", id="oss wrong secret"),
    pytest.param("oss", {"bucket": "no-such-bucket"}, r"bucket", id="oss no bucket"),
    pytest.param("sftp", {"username": "nobody-here"}, r"auth|permission|access", id="sftp user"),
    pytest.param("sftp", {"url": "closed"}, r"connect|reach|answer", id="sftp nobody"),
    pytest.param("webdav", {"auth": ["test", WRONG]}, r"auth|401|access", id="webdav password"),
    pytest.param("webdav", {"base_url": "closed"}, r"connect|reach|answer", id="webdav nobody"),
]


def broken(backend: Backend, changes: dict[str, Any]) -> dict[str, object]:
    """The backend's configuration with that mistake in it."""
    closed = f"127.0.0.1:{free_port()}"
    if "closed" in changes.values():
        return backend.configured(endpoint=closed)
    if backend.driver == "fsspec":
        return backend.configured(options=backend.options["options"] | changes)
    return backend.configured(**changes)


def failed_start(config: dict[str, object], folder: Path) -> tuple[str, float]:
    """What the server says that must not start, and how long it took."""
    path = folder / "config.yml"
    http = {"addr": f"127.0.0.1:{free_port()}"}
    path.write_text(json.dumps({"version": 0.1, "http": http, **config}))
    began = time.monotonic()
    done = subprocess.run(
        [*entrepot_command(), "serve", str(path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd=folder,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode not in {0, -9}, "it was not to start"
    return done.stdout + done.stderr, time.monotonic() - began


@pytest.mark.parametrize(("backend", "changes", "wanted"), CASES, indirect=["backend"])
def test_store_that_cannot_be_used_is_told_at_start(
    backend: Backend, changes: dict[str, Any], wanted: str, tmp_path: Path
) -> None:
    said, _ = failed_start(broken(backend, changes), tmp_path)

    told = [line for line in said.splitlines() if line.strip() and "level=info" not in line]
    text = " ".join(told)
    assert "Traceback" not in said, said
    assert len(told) <= 3, said  # a long line is broken where the terminal ends
    assert re.search(wanted, text, re.IGNORECASE), said
    assert backend.driver in text
    assert not [secret for secret in (*backend.secrets, WRONG) if secret in said], said
