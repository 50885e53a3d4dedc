"""What authentication costs: small requests with it, against the same without.

    python benchmarks/authentication.py [--seconds S] [--rounds R] [--server ours --server v3]

Three servers run side by side over folders of their own, without authentication, with htpasswd
and with tokens, and are asked in turns, over some kept connections, with the same credentials each
time. The table has medians, and how many times as much work of the server a request is with
authentication.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bcrypt
import jwt
from benchmarks import processes, servers
from benchmarks.failures import BenchmarkError
from benchmarks.requesting import Endpoint, hammer, request_rate
from benchmarks.wire import Connection
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

NAME = "bench/small"
TYPE = "application/vnd.oci.image.index.v1+json"
INDEX = json.dumps({"schemaVersion": 2, "mediaType": TYPE, "manifests": []}).encode()
DIGEST = f"sha256:{hashlib.sha256(INDEX).hexdigest()}"
PATHS = {
    "GET /v2/": "/v2/",
    "GET manifest by digest": f"/v2/{NAME}/manifests/{DIGEST}",
    "GET manifest by tag": f"/v2/{NAME}/manifests/1",
}
CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Way:
    """A way of authentication: its section, and the header of a client that may do everything."""

    name: str
    auth: Mapping[str, object]
    headers: Mapping[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments say; the exit code."""
    parser = argparse.ArgumentParser(description="What authentication costs.")
    parser.add_argument("--seconds", type=int, default=1, help="of each turn")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--server", action="append", choices=(servers.OURS, *servers.PEERS))
    parser.add_argument("--ours", default="", help="how Entrepot is started")
    options = parser.parse_args(arguments)
    try:
        for program in servers.find(options.server or [servers.OURS], options.ours):
            _measure(program, options.seconds, options.rounds)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _measure(program: servers.Program, seconds: int, rounds: int) -> None:
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="entrepot-bench-") as name, ExitStack() as stack:
        ways = _ways(Path(name))
        running: list[tuple[Way, servers.Server]] = []
        for way in ways:
            more = {"auth": way.auth} if way.auth else {}
            starting = servers.running(program, Path(name) / way.name, more=more)
            server = stack.enter_context(starting)
            _push(server, way.headers)
            running.append((way, server))
        for _ in range(rounds):
            for what, path in PATHS.items():
                for way, server in running:
                    rate = _rate(server, Endpoint(what, "GET", path, way.headers), seconds)
                    found.setdefault((what, way.name), []).append(rate)
    print(f"\n{program.title}: requests / CPU s (times the work without authentication)")
    for what in PATHS:
        plain, *_ = rates = [median(found[what, way.name]) for way in ways]
        shown = (
            f"{way.name} {rate:,.0f} ({plain / rate:.2f})"
            for way, rate in zip(ways, rates, strict=True)
        )
        print(f"  {what:24}", "   ".join(shown))


def _rate(server: servers.Server, endpoint: Endpoint, seconds: int) -> float:
    """Requests for a second of the server's work."""
    hammer(server.address, endpoint, CONNECTIONS, 0.3)
    before = processes.processor_seconds(server.pid)
    rate = request_rate(server.address, endpoint, CONNECTIONS, seconds)
    return rate.requests / max(0.01, processes.processor_seconds(server.pid) - before)


def _push(server: servers.Server, headers: Mapping[str, str]) -> None:
    with Connection(server.address) as connection:
        kind = {"Content-Type": TYPE, **headers}
        answer = connection.ask("PUT", f"/v2/{NAME}/manifests/1", INDEX, kind)
    if answer.status != 201:
        raise BenchmarkError(f"a manifest was refused: {answer.status} {answer.body!r}")


def _ways(folder: Path) -> list[Way]:
    users = folder / "users"
    hashed = bcrypt.hashpw(b"s3cret", bcrypt.gensalt(5, b"2a")).decode()
    users.write_text(f"alice:{hashed}\n")
    basic = base64.b64encode(b"alice:s3cret").decode()
    bundle = folder / "bundle.pem"
    token = _token(bundle)
    section = {
        "realm": "https://auth.example.com/token",
        "service": "bench",
        "issuer": "bench",
        "rootcertbundle": str(bundle),
    }
    return [
        Way("none", {}, {}),
        Way(
            "htpasswd",
            {"htpasswd": {"realm": "bench", "path": str(users)}},
            {"Authorization": f"Basic {basic}"},
        ),
        Way("token", {"token": section}, {"Authorization": f"Bearer {token}"}),
    ]


def _token(bundle: Path) -> str:
    """A token for the benchmark's repository, whose certificate is written to `bundle`."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .sign(key, hashes.SHA256())
    )
    bundle.write_bytes(certificate.public_bytes(Encoding.PEM))
    claims = {
        "iss": "bench",
        "aud": "bench",
        "sub": "alice",
        "exp": int(time.time()) + 86400,
        "access": [{"type": "repository", "name": NAME, "actions": ["pull", "push"]}],
    }
    shown = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    return jwt.encode(claims, key, "RS256", headers={"x5c": [shown]})


if __name__ == "__main__":
    sys.exit(main())
