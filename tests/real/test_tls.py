"""Clients speak TLS to our server, whose certificate they are told to trust."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.real.programs import refused, require_tool, run
from tests.real.servers import Server, StartEntrepot
from tests.tools.images import Image

Command = tuple[str | Path, ...]
COPY = ("--insecure-policy", "copy", "--preserve-digests")


@dataclass(frozen=True, slots=True)
class SecureSite:
    """Our server behind TLS, and the folder with its certificate."""

    server: Server
    folder: Path

    @property
    def certificate(self) -> Path:
        """The certificate, which is its own authority."""
        return self.folder / "ca.crt"


@pytest.fixture(scope="module")
def secure(entrepot_server: StartEntrepot, tmp_path_factory: pytest.TempPathFactory) -> SecureSite:
    """Our server with a certificate made for it."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate = folder / "ca.crt"
    key = tmp_path_factory.mktemp("key") / "server.key"
    run(
        *(require_tool("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
        *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", key, "-out", certificate),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
    )
    tls = {"certificate": str(certificate), "key": str(key)}
    return SecureSite(entrepot_server({"http": {"tls": tls}}), folder)


def push_command(name: str, secure: SecureSite, image: Image, reference: str) -> Command:
    """How a client pushes an image from disk."""
    trust = ("--dest-cert-dir", secure.folder)
    commands: dict[str, Command] = {
        "skopeo": (*COPY, *trust, image.source, f"docker://{reference}"),
        "crane": ("push", image.folder, reference),
        "oras": (
            *("cp", "--from-oci-layout", "--to-ca-file", secure.certificate),
            *(f"{image.folder}:1", reference),
        ),
    }
    return commands[name]


def pull_command(name: str, secure: SecureSite, reference: str, folder: Path) -> Command:
    """How a client pulls an image into a layout."""
    trust = ("--src-cert-dir", secure.folder)
    commands: dict[str, Command] = {
        "skopeo": (*COPY, *trust, f"docker://{reference}", f"oci:{folder}:1"),
        "crane": ("pull", "--format=oci", reference, folder),
        "oras": (
            *("cp", "--to-oci-layout", "--from-ca-file", secure.certificate),
            *(reference, f"{folder}:1"),
        ),
    }
    return commands[name]


@pytest.mark.parametrize("name", ["skopeo", "crane", "oras"])
def test_image_returns_unchanged_over_tls(
    name: str,
    secure: SecureSite,
    image: Callable[[str], Image],
    env: dict[str, str],
    tmp_path: Path,
) -> None:
    source, pulled = image("many"), tmp_path / "pulled"
    reference = f"{secure.server.address}/tls/{name}:1"
    trusting = {**env, "SSL_CERT_FILE": str(secure.certificate)}

    run(require_tool(name), *push_command(name, secure, source, reference), env=trusting)
    run(require_tool(name), *pull_command(name, secure, reference, pulled), env=trusting)

    digests = {f"sha256:{file.name}" for file in (pulled / "blobs" / "sha256").iterdir()}
    assert digests == source.manifests | source.blobs


def test_stranger_is_not_trusted(secure: SecureSite, env: dict[str, str]) -> None:
    said = refused(require_tool("curl"), "-sS", f"{secure.server.url}/v2/", env=env)

    assert "certificate" in said


@pytest.mark.parametrize(("flag", "version"), [("--http1.1", "1.1"), ("--http2", "2")])
def test_both_versions_of_http_are_spoken(
    flag: str, version: str, secure: SecureSite, env: dict[str, str]
) -> None:
    said = run(
        *(require_tool("curl"), "-sSf", flag, "--cacert", secure.certificate),
        *("-o", "/dev/null", "-w", "%{http_version}", f"{secure.server.url}/v2/"),
        env=env,
    )

    assert said == version
