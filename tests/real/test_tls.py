"""Clients speak TLS to our server, whose certificate they are told to trust."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.real.programs import refused, require_tool, run
from tests.real.servers import Server, StartEntrepot
from tests.tools.authority import Authority
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


@dataclass(frozen=True, slots=True)
class Asking:
    """Our server that asks for certificates, and those of clients."""

    server: Server
    folder: Path

    @property
    def own(self) -> Path:
        """The folder with the certificate of alice and whom she trusts."""
        return self.folder / "own"

    def curl(self, *arguments: str | Path, env: dict[str, str]) -> str:
        """What a request to the API is answered; the test fails if it is not."""
        trust = ("-sSf", "--cacert", self.folder / "ca.crt")
        return run(require_tool("curl"), *trust, *arguments, f"{self.server.url}/v2/", env=env)


@pytest.fixture(scope="module")
def asking(
    entrepot_server: StartEntrepot, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Asking]:
    """Starts our server with other keys in `http.tls`."""

    def start(**keys: object) -> Asking:
        folder = tmp_path_factory.mktemp("asking")
        authority = Authority()
        certificate, key = authority.sign().write(folder, "server")
        authority.write(folder / "ca.crt")
        own = folder / "own"  # as skopeo wants it
        own.mkdir()
        authority.write(own / "ca.crt")
        given, _ = authority.sign("alice", names=[]).write(own, "client")
        given.rename(own / "client.cert")
        Authority("another").sign("eve", names=[]).write(folder, "stranger")
        shown = {"certificate": str(certificate), "key": str(key)}
        files = {"clientcas": [str(folder / "ca.crt")]} if "clientauth" in keys else {}
        return Asking(entrepot_server({"http": {"tls": shown | files | keys}}), folder)

    return start


MODES = {
    "require-and-verify-client-cert": {"alice"},
    "verify-client-cert-if-given": {"alice", "nobody"},
    "request-client-cert": {"alice", "nobody", "eve"},
}


@pytest.mark.parametrize("mode", MODES)
def test_who_is_let_in_by_each_mode(
    mode: str, asking: Callable[..., Asking], env: dict[str, str]
) -> None:
    site = asking(clientauth=mode)
    own = {
        "alice": ("--cert", site.own / "client.cert", "--key", site.own / "client.key"),
        "nobody": (),
        "eve": ("--cert", site.folder / "stranger.crt", "--key", site.folder / "stranger.key"),
    }

    for name, arguments in own.items():
        if name in MODES[mode]:
            assert site.curl(*arguments, env=env) == "{}"
        else:
            ca = ("--cacert", site.folder / "ca.crt")
            refused(require_tool("curl"), "-sS", *ca, *arguments, f"{site.server.url}/v2/", env=env)


@pytest.mark.parametrize("mode", ["require-and-verify-client-cert", "verify-client-cert-if-given"])
def test_image_returns_with_a_client_certificate(
    mode: str,
    asking: Callable[..., Asking],
    image: Callable[[str], Image],
    env: dict[str, str],
    tmp_path: Path,
) -> None:
    site, source, pulled = asking(clientauth=mode), image("many"), tmp_path / "pulled"
    reference = f"docker://{site.server.address}/tls/certificates:1"
    skopeo, certificates = require_tool("skopeo"), site.own

    run(skopeo, *COPY, "--dest-cert-dir", certificates, source.source, reference, env=env)
    run(skopeo, *COPY, "--src-cert-dir", certificates, reference, f"oci:{pulled}:1", env=env)

    digests = {f"sha256:{file.name}" for file in (pulled / "blobs" / "sha256").iterdir()}
    assert digests == source.manifests | source.blobs


def test_cipher_suites_are_those_of_the_configuration(
    asking: Callable[..., Asking], env: dict[str, str]
) -> None:
    site = asking(ciphersuites=["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"])
    old = ("--tls-max", "1.2", "--ciphers")

    assert site.curl(*old, "ECDHE-ECDSA-AES256-GCM-SHA384", env=env) == "{}"
    assert site.curl("--tlsv1.3", env=env) == "{}"
    ca = ("--cacert", site.folder / "ca.crt", *old, "ECDHE-ECDSA-AES128-GCM-SHA256")
    refused(require_tool("curl"), "-sS", *ca, f"{site.server.url}/v2/", env=env)


@pytest.mark.parametrize("flag", ["--http1.1", "--http2"])
def test_location_is_where_the_client_came_to(
    flag: str, secure: SecureSite, env: dict[str, str]
) -> None:
    said = run(
        *(require_tool("curl"), "-sSf", flag, "--cacert", secure.certificate, "-X", "POST"),
        *("-o", "/dev/null", "-w", "%header{location}"),
        f"{secure.server.url}/v2/a/blobs/uploads/",
        env=env,
    )

    assert said.startswith(f"https://{secure.server.address}/v2/a/blobs/uploads/")


@pytest.mark.parametrize("tool", ["crane", "curl"])
def test_absent_content_is_no_error_of_the_protocol(
    tool: str, secure: SecureSite, env: dict[str, str]
) -> None:
    """An answer to HEAD over HTTP/2 has no body, also if it is an error."""
    trusting = {**env, "SSL_CERT_FILE": str(secure.certificate)}
    commands: dict[str, tuple[str, ...]] = {
        "crane": ("digest", f"{secure.server.address}/absent:1"),
        "curl": (
            *("-sSIf", "--http2", "--cacert", str(secure.certificate)),
            f"{secure.server.url}/v2/absent/manifests/1",
        ),
    }

    said = refused(require_tool(tool), *commands[tool], env=trusting)

    assert "protocol error" not in said
    assert "404" in said


@pytest.mark.parametrize("flag", ["--http1.1", "--http2"])
def test_refused_body_is_answered(
    flag: str, secure: SecureSite, env: dict[str, str], tmp_path: Path
) -> None:
    """The client hears why, also if it was about to send more."""
    large = tmp_path / "large"
    large.write_bytes(bytes(8_000_000))

    for _ in range(5):
        said = run(
            *(require_tool("curl"), "-sS", flag, "--cacert", secure.certificate, "-T", large),
            *("-o", "/dev/null", "-w", "%{http_code}"),
            f"{secure.server.url}/v2/a/blobs/uploads/none",
            env=env,
        )

        assert said == "400"
    assert "Traceback" not in secure.server.log_tail()
