"""nginx in front of registries, with TLS."""

import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.real.programs import clean_environment, require_tool, run
from tests.real.servers import answers

__all__ = ["certificate", "proxy"]


def certificate(folder: Path) -> Path:
    """A folder with a certificate for loopback, its key, and itself as an authority."""
    secrets = folder / "secrets"
    secrets.mkdir()
    run(
        *(require_tool("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
        *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", secrets / "key.pem"),
        *("-out", secrets / "certificate.pem", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
    )
    shutil.copy(secrets / "certificate.pem", secrets / "ca.crt")
    return secrets


@contextmanager
def proxy(folder: Path, port: int) -> Generator[subprocess.Popen[bytes], None, None]:
    """Runs nginx as the folder's `nginx.conf` says, until left."""
    command = (require_tool("nginx"), "-p", folder, "-c", folder / "nginx.conf")
    with subprocess.Popen(command, env=clean_environment()) as process:
        try:
            deadline = time.monotonic() + 20
            while not answers(f"https://127.0.0.1:{port}/v2/"):
                assert process.poll() is None, "nginx ended"
                assert time.monotonic() < deadline, "nginx does not answer"
                time.sleep(0.05)
            yield process
        finally:
            process.terminate()
