"""What authentication costs: small requests with it, against the same without.

    python benchmarks/authentication.py [--rounds R] [--server ours --server v3]

Three servers run side by side over folders of their own, without authentication, with htpasswd
and with tokens, and are asked in turns of some milliseconds, over kept connections, with the same
credentials each time, so that what else the machine does is the same for all of them. The table
has the median of the rounds' ratios, and the quartiles around it.

The server without authentication is asked with a token's header, too: what that costs is the
reading of it, which no way of authentication can do without.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Self

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bcrypt
import jwt
from benchmarks import processes, servers
from benchmarks.failures import BenchmarkError
from benchmarks.wire import Connection, request_head
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
PLAIN = "none"
_TURN, _TURNS = 64, 16  # requests; turns of each server in a round
_WARMING = 64  # requests that do not count
_PROCESSOR_CLOCK = 2  # of a process: CPUCLOCK_SCHED. Source: Linux, posix-timers.h


@dataclass(frozen=True, slots=True)
class Way:
    """A way of authentication: its section, and the header of a client that may do everything."""

    name: str
    auth: Mapping[str, object]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A server, and the header it is asked with."""

    name: str
    server: servers.Server
    headers: Mapping[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments say; the exit code."""
    parser = argparse.ArgumentParser(description="What authentication costs.")
    parser.add_argument("--rounds", type=int, default=40, help="of 1024 requests to each server")
    parser.add_argument("--server", action="append", choices=(servers.OURS, *servers.PEERS))
    parser.add_argument("--ours", default="", help="how Entrepot is started")
    options = parser.parse_args(arguments)
    try:
        for program in servers.find(options.server or [servers.OURS], options.ours):
            _measure(program, options.rounds)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _measure(program: servers.Program, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="entrepot-bench-") as name, ExitStack() as stack:
        asked = _asked(program, Path(name), stack)
        load = os.getloadavg()[0]
        found = {what: [_round(asked, what, at) for at in range(rounds)] for what in PATHS}
        loads = f"load of the machine {load:.1f} before, {os.getloadavg()[0]:.1f} at the end"
    print(f"\n{program.title}: CPU us / request (times the work without; quartiles); {loads}")
    for what, each in found.items():
        print(f"  {what}")
        for one in asked:
            print(f"    {one.name:24}", _shown(one.name, each))


def _asked(program: servers.Program, folder: Path, stack: ExitStack) -> list[Asked]:
    asked: list[Asked] = []
    ways = _ways(folder)
    for way in ways:
        more = {"auth": way.auth} if way.auth else {}
        server = stack.enter_context(servers.running(program, folder / way.name, more=more))
        _push(server, way.headers)
        asked.append(Asked(way.name, server, way.headers))
    return [*asked, Asked(f"{PLAIN}, token's header", asked[0].server, ways[-1].headers)]


def _round(asked: Sequence[Asked], what: str, at: int) -> dict[str, float]:
    """Microseconds of processor time of a request to each; each round begins with another one."""
    order = [*asked[at % len(asked) :], *asked[: at % len(asked)]]
    spent = dict.fromkeys((one.name for one in order), 0.0)
    with ExitStack() as stack:
        turns = [
            (one.name, stack.enter_context(Asking(one.server, PATHS[what], one.headers)))
            for one in order
        ]
        for _, asking in turns:
            asking.ask(_WARMING)
        for _ in range(_TURNS):
            for name, asking in turns:
                spent[name] += asking.ask(_TURN)
    return {name: seconds / (_TURNS * _TURN) * 1e6 for name, seconds in spent.items()}


class Asking:
    """Kept connections over which a server is asked for one thing."""

    def __init__(self, server: servers.Server, path: str, headers: Mapping[str, str]) -> None:
        self._pid = server.pid
        with Connection(server.address) as connection:
            answer = connection.ask("GET", path, headers=headers)
        if answer.status != 200:
            raise BenchmarkError(f"{path}: {answer.status} {answer.body[:200]!r}")
        self._size = len(answer.body)
        self._request = request_head(server.address, "GET", path, headers)
        self._sockets = [socket.create_connection(server.address) for _ in range(CONNECTIONS)]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._sockets:
            each.close()

    def ask(self, requests: int) -> float:
        """Ask so often over each connection; seconds of the server's processor time.

        All are asked before the first answer is read, so that the server has enough to do.
        """
        before = _processor_seconds(self._pid)
        for _ in range(requests // CONNECTIONS):
            for each in self._sockets:
                each.send(self._request)
            for each in self._sockets:
                self._take(each)
        return _processor_seconds(self._pid) - before

    def _take(self, connection: socket.socket) -> None:
        taken = b""
        while (end := taken.find(b"\r\n\r\n")) < 0 or len(taken) < end + 4 + self._size:
            received = connection.recv(65536)
            if not received:
                raise BenchmarkError("the server closed a connection between requests")
            taken += received
        if not taken.startswith(b"HTTP/1.1 200"):
            raise BenchmarkError(f"an answer was {taken[:end]!r}")


def _processor_seconds(root: int) -> float:
    """As `processes.processor_seconds`, to the microsecond: a turn is a few ticks long."""
    clocks = (~process << 3 | _PROCESSOR_CLOCK for process in processes.tree(root))
    return sum(time.clock_gettime(clock) for clock in clocks)


def _shown(name: str, rounds: Sequence[Mapping[str, float]]) -> str:
    cost = median(each[name] for each in rounds)
    ratios = [each[name] / each[PLAIN] for each in rounds]
    if name == PLAIN or len(ratios) < 2:
        return f"{cost:6.0f}"
    low, middle, high = quantiles(ratios, n=4)
    return f"{cost:6.0f} ({middle:.2f}; {low:.2f} to {high:.2f})"


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
        Way(PLAIN, {}, {}),
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
