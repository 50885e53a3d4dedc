"""Redis in each form that clients know: one server with TLS and users, sentinels, a cluster."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services import packages
from tests.services.definition import Definition, Place, ServiceError
from tests.services.ports import HOST

__all__ = ["REDIS"]

_PACKAGES = ("redis-server", "redis-tools", "openssl")
_PROGRAMS = ("redis-server", "redis-cli", "openssl")
_PASSWORD, _USER, _USER_PASSWORD = "testpass", "entrepot", "testuserpass"
_NODES = 3
_SECONDS = 30.0  # until sentinel and cluster know their servers
_MASTER = "master"

_SENTINEL = """\
bind {host}
port {port}
requirepass {password}
sentinel monitor {master} {host} {redis} 1
sentinel auth-pass {master} {password}
"""


def _start(place: Place) -> Mapping[str, str]:
    """Ports: one server's plain and TLS port, the sentinel's, the cluster's and its buses'."""
    single, tls, sentinel, *cluster = range(place.port, place.port + 3 + _NODES)
    certificate = _certificate(place.folder)
    _start_server(place, "single", single, *_single_options(tls, certificate))
    _start_sentinel(place, sentinel, single)
    for number, port in enumerate(cluster):
        name = f"cluster{number}"
        options = ("--cluster-enabled", "yes", "--cluster-config-file", f"{name}.conf")
        bus = ("--cluster-port", str(port + _NODES))
        _start_server(place, name, port, "--requirepass", _PASSWORD, *options, *bus)
    _make_cluster(cluster)
    return {
        "host": HOST,
        "port": str(single),
        "tls_port": str(tls),
        "sentinel": f"{HOST}:{sentinel}",
        "cluster": ",".join(f"{HOST}:{port}" for port in cluster),
        "master": _MASTER,
        "password": _PASSWORD,
        "user": _USER,
        "user_password": _USER_PASSWORD,
        "certificate": str(certificate),
        "key": str(certificate.with_suffix(".key")),
    }


def _single_options(tls: int, certificate: Path) -> tuple[str, ...]:
    """A user who may do to the registry's keys what the registry needs, and no more."""
    key = str(certificate.with_suffix(".key"))
    may = ("on", f">{_USER_PASSWORD}", "~entrepot:*", "+get", "+set", "+del", "+hello", "+client")
    return (
        *("--requirepass", _PASSWORD, "--user", _USER, *may),
        *("--tls-port", str(tls), "--tls-cert-file", str(certificate), "--tls-key-file", key),
        *("--tls-ca-cert-file", str(certificate)),
    )


def _start_server(place: Place, name: str, port: int, *options: str) -> None:
    place.spawn(
        name,
        *("redis-server", "--bind", HOST, "--port", str(port), "--dir", str(place.data)),
        *("--save", "", "--appendonly", "no", "--maxmemory", "64mb"),
        *("--maxmemory-policy", "allkeys-lru", *options),
    )
    place.wait(name, lambda: "PONG" in _ask(port, "PING"))


def _start_sentinel(place: Place, port: int, redis: int) -> None:
    settings = place.data / "sentinel.conf"  # it writes into it what it learns
    settings.write_text(
        _SENTINEL.format(host=HOST, port=port, redis=redis, password=_PASSWORD, master=_MASTER)
    )
    place.spawn("sentinel", "redis-server", str(settings), "--sentinel")
    place.wait("sentinel", lambda: "PONG" in _ask(port, "PING"))


def _make_cluster(ports: Sequence[int]) -> None:
    first = ports[0]
    if "cluster_state:ok" not in _ask(first, "CLUSTER", "INFO"):
        nodes = [f"{HOST}:{port}" for port in ports]
        _ask(first, "--cluster", "create", *nodes, "--cluster-yes")
    deadline = time.monotonic() + _SECONDS
    while not all("cluster_state:ok" in _ask(port, "CLUSTER", "INFO") for port in ports):
        if time.monotonic() > deadline:
            raise ServiceError(f"no cluster after {_SECONDS:g} s: {_ask(first, 'CLUSTER', 'INFO')}")
        time.sleep(0.1)


def _ask(port: int, *words: str) -> str:
    """What a server answers; its errors, too."""
    command = ("redis-cli", "-h", HOST, "-p", str(port), "-a", _PASSWORD, "--no-auth-warning")
    done = subprocess.run((*command, *words), capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _certificate(folder: Path) -> Path:
    """A certificate for loopback that is its own authority, and its key; kept."""
    certificate = folder / "redis.crt"
    if not certificate.exists():
        done = subprocess.run(
            (
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                ),
                *("-nodes", "-days", "365", "-subj", "/CN=redis"),
                *("-addext", f"subjectAltName=IP:{HOST}"),
                *("-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate)),
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServiceError(f"openssl: {done.stderr.strip()}")
    return certificate


REDIS = Definition(
    name="redis",
    purpose="Redis: one server with TLS and users, a sentinel, a cluster of three",
    packages=_PACKAGES,
    install=lambda _: packages.debian(_PROGRAMS, _PACKAGES),
    installed=lambda _: all(packages.system_program(each) for each in _PROGRAMS),
    start=_start,
    ports=3 + 2 * _NODES,
    memory=512 * 1024 * 1024,
)
