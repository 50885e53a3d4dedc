"""Clients that are known by their certificates, as far as an access policy lets them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.real.programs import refused, require_tool, run
from tests.real.servers import Server, StartEntrepot
from tests.tools.images import Image

COPY = ("--insecure-policy", "copy", "--preserve-digests")
RULES = [
    {"anonymous": True, "repositories": ["public/**"], "actions": ["pull"]},
    {"users": ["builder"], "repositories": ["**"], "actions": ["pull", "push"]},
    {"users": ["reader"], "repositories": ["team/*"], "actions": ["pull"]},
]


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that signs certificates."""

    folder: Path

    def make(self) -> None:
        run(
            *(require_tool("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={self.folder.name}"),
            *("-keyout", self.folder / "ca.key", "-out", self.folder / "ca.crt"),
        )

    def sign(self, name: str, subject: str, alternative: str) -> tuple[Path, Path]:
        """A certificate and its key."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request, more = self.folder / f"{name}.csr", self.folder / f"{name}.txt"
        more.write_text(f"subjectAltName={alternative}\n")
        openssl = require_tool("openssl")
        run(
            *(openssl, "req", "-new", "-newkey", "ec", "-nodes", "-subj", subject),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", key, "-out", request),
        )
        run(
            *(openssl, "x509", "-req", "-in", request, "-days", "2", "-CAcreateserial"),
            *("-CA", self.folder / "ca.crt", "-CAkey", self.folder / "ca.key"),
            *("-extfile", more, "-out", certificate),
        )
        return certificate, key


@dataclass(frozen=True, slots=True)
class Port:
    """Our server, and the folders with which clients trust it and show who they are."""

    server: Server
    clients: Path
    image: Callable[[str], Image]

    def reference(self, name: str) -> str:
        return f"docker://{self.server.address}/{name}:1"

    def push(self, who: str, name: str) -> tuple[str | Path, ...]:
        folder = self.clients / who
        return (*COPY, "--dest-cert-dir", folder, self.image("single").source, self.reference(name))

    def pull(self, who: str, name: str, target: Path) -> tuple[str | Path, ...]:
        return (*COPY, "--src-cert-dir", self.clients / who, self.reference(name), f"dir:{target}")


@pytest.fixture(scope="module")
def port(
    entrepot_server: StartEntrepot,
    tmp_path_factory: pytest.TempPathFactory,
    image: Callable[[str], Image],
) -> Port:
    """Our server, which knows its clients by their certificates, and four of those."""
    ours, foreign = (Authority(tmp_path_factory.mktemp(name)) for name in ("ours", "foreign"))
    ours.make()
    foreign.make()
    certificate, key = ours.sign("server", "/CN=localhost", "IP:127.0.0.1")
    clients = tmp_path_factory.mktemp("clients")
    for who, authority in (("builder", ours), ("reader", ours), ("forger", foreign)):
        subject = "/CN=builder" if who == "forger" else f"/O=x/CN={who}"
        shown, secret = authority.sign(who, subject, f"email:{who}@example.com")
        folder = clients / who
        folder.mkdir()
        (folder / "client.cert").write_bytes(shown.read_bytes())
        (folder / "client.key").write_bytes(secret.read_bytes())
        (folder / "ca.crt").write_bytes((ours.folder / "ca.crt").read_bytes())
    (clients / "nobody").mkdir()
    (clients / "nobody" / "ca.crt").write_bytes((ours.folder / "ca.crt").read_bytes())
    tls = {
        "certificate": str(certificate),
        "key": str(key),
        "clientcas": [str(ours.folder / "ca.crt")],
        "clientauth": "verify-client-cert-if-given",
    }
    sections: dict[str, Any] = {"http": {"tls": tls}, "auth": {"certificate": {}}}
    sections["access"] = {"rules": RULES}
    return Port(entrepot_server(sections), clients, image)


def test_certificate_says_who_may_push_and_who_may_pull(
    port: Port, env: dict[str, str], tmp_path: Path
) -> None:
    skopeo = require_tool("skopeo")

    run(skopeo, *port.push("builder", "team/app"), env=env)
    refused(skopeo, *port.push("reader", "team/app"), env=env)
    run(skopeo, *port.pull("reader", "team/app", tmp_path / "pulled"), env=env)
    run(skopeo, *port.push("builder", "team/deep/app"), env=env)
    refused(skopeo, *port.pull("reader", "team/deep/app", tmp_path / "refused"), env=env)

    pulled = {path.name for path in (tmp_path / "pulled").iterdir()}
    assert pulled >= {digest.partition(":")[2] for digest in port.image("single").blobs}


def test_client_without_a_certificate_pulls_what_everybody_may(
    port: Port, env: dict[str, str], tmp_path: Path
) -> None:
    skopeo = require_tool("skopeo")
    run(skopeo, *port.push("builder", "public/app"), env=env)

    run(skopeo, *port.pull("nobody", "public/app", tmp_path / "pulled"), env=env)
    refused(skopeo, *port.push("nobody", "public/app"), env=env)
    said = refused(skopeo, *port.pull("nobody", "team/app", tmp_path / "refused"), env=env)

    assert "denied" in said


def test_certificate_of_another_authority_opens_nothing(port: Port, env: dict[str, str]) -> None:
    refused(require_tool("skopeo"), *port.push("forger", "team/app"), env=env)
