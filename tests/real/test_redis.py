"""`storage.cache.blobdescriptor: redis` with real servers, and without them all of a sudden."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis import Redis, RedisCluster
from redis.exceptions import RedisError
from tests.real.registry import Registry, hexadecimal
from tests.real.servers import Server, StartEntrepot, free_port
from tests.services import packages
from tests.services.running import Service, require_service

SECONDS = 30.0
PROBE = "entrepot:probe"
LARGE = b"large" * 100_000

Section = Callable[[Service], dict[str, Any]]


def single(service: Service) -> dict[str, Any]:
    """As Distribution 3 writes it."""
    where = f"{service['host']}:{service['port']}"
    return {"addrs": [where], "password": service["password"], "db": 0}


def old(service: Service) -> dict[str, Any]:
    """As Distribution 2 writes it."""
    where = f"{service['host']}:{service['port']}"
    times = dict.fromkeys(("dialtimeout", "readtimeout", "writetimeout"), "100ms")
    pool = {"maxidle": 16, "maxactive": 64, "idletimeout": "300s"}
    return {"addr": where, "password": service["password"], "pool": pool} | times


def user(service: Service) -> dict[str, Any]:
    """A user who may do no more than is needed, by TLS with certificates on both sides."""
    certificate = service["certificate"]
    tls = {"certificate": certificate, "key": service["key"], "rootcas": [certificate]}
    return {
        "addrs": [f"{service['host']}:{service['tls_port']}"],
        "username": service["user"],
        "password": service["user_password"],
        "tls": tls,
    }


def sentinel(service: Service) -> dict[str, Any]:
    return {
        "addrs": [service["sentinel"]],
        "mastername": service["master"],
        "password": service["password"],
        "sentinelpassword": service["password"],
    }


def cluster(service: Service) -> dict[str, Any]:
    return {"addrs": service["cluster"].split(","), "password": service["password"]}


def caching(redis: dict[str, Any], root: Path) -> dict[str, Any]:
    driver = {"filesystem": {"rootdirectory": str(root)}}
    return {"redis": redis, "storage": {"cache": {"blobdescriptor": "redis"}, **driver}}


def pulled(server: Server, digest: str) -> bytes:
    """A blob as a client gets it; what breaks off is tried once more, as clients do."""
    url = f"{server.url}/v2/a/blobs/{digest}"
    try:
        answer = httpx2.get(url, timeout=SECONDS)
    except httpx2.RemoteProtocolError:
        answer = httpx2.get(url, timeout=SECONDS)
    if answer.status_code == 503:
        answer = httpx2.get(url, timeout=SECONDS)
    assert answer.status_code == 200, answer.text
    return answer.content


def pushed(server: Server, content: bytes) -> str:
    with Registry(server.url) as registry:
        return registry.push_blob("a", content)


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def written(client: Any, digest: str) -> bytes | None:
    value: bytes | None = client.get(f"entrepot:size:{digest}")
    return value


def using(start: StartEntrepot, config: dict[str, Any], client: Any) -> Server:
    """A server that has reached its Redis."""
    client.delete(PROBE)
    server = start(config)
    until(lambda: client.get(PROBE) is not None)
    return server


@dataclass
class OwnRedis:
    """A server of one test, which may kill it."""

    program: str
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def section(self) -> dict[str, Any]:
        return {"addrs": [f"127.0.0.1:{self.port}"]}

    def start(self) -> None:
        where = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder))
        self.process = subprocess.Popen(
            (self.program, *where, "--save", "", "--appendonly", "no"), stdout=subprocess.DEVNULL
        )
        until(self.answers)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def client(self) -> Any:
        return Redis("127.0.0.1", self.port)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def service() -> Service:
    return require_service("redis")


@pytest.fixture
def own(tmp_path: Path) -> Generator[OwnRedis, None, None]:
    """A Redis of the test's own; the program is there where the service is."""
    require_service("redis")
    running = OwnRedis(str(packages.system_program("redis-server")), tmp_path)
    running.start()
    yield running
    running.kill()


@pytest.mark.parametrize("section", [single, old, user, sentinel, cluster])
def test_replicas_share_sizes(
    section: Section, service: Service, entrepot_server: StartEntrepot, tmp_path: Path
) -> None:
    content = section.__name__.encode() + LARGE
    config = caching(section(service), tmp_path)
    host, password = service["host"], service["password"]
    port = int(
        (section(service)["addrs"][0] if section is cluster else f":{service['port']}").split(":")[
            1
        ]
    )
    kind: Any = RedisCluster if section is cluster else Redis
    with kind(host=host, port=port, password=password) as client:
        first = using(entrepot_server, config, client)
        second = using(entrepot_server, config, client)
        digest = pushed(first, content)
        assert pulled(first, digest) == content
        until(lambda: written(client, digest) == str(len(content)).encode())
        reads = client.info("stats")["keyspace_hits"] if section is not cluster else 0

        assert pulled(second, digest) == content

        if section is not cluster:
            assert client.info("stats")["keyspace_hits"] > reads
    for server in (first, second):
        assert "left alone" not in server.log.read_text()


def test_wrong_password_is_told_without_it(
    service: Service, entrepot_server: StartEntrepot, tmp_path: Path
) -> None:
    wrong = {"addrs": [f"{service['host']}:{service['port']}"], "password": "hush-hush"}

    server = entrepot_server(caching(wrong, tmp_path))
    until(lambda: "redis is left alone" in server.log.read_text())

    assert pulled(server, pushed(server, LARGE)) == LARGE
    assert "hush-hush" not in server.log.read_text()


def test_what_others_write_makes_no_other_content(
    own: OwnRedis, entrepot_server: StartEntrepot, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    writer = entrepot_server({"storage": {"filesystem": {"rootdirectory": str(root)}}})
    with own.client() as client:
        server = using(entrepot_server, caching(own.section, root), client)
        for garbage in ("0", "17", "99999999", "-5", "x" * 1000, ""):
            content = garbage.encode() + LARGE
            digest = pushed(writer, content)
            key = f"entrepot:size:{digest}"
            if garbage:
                client.set(key, garbage)
            else:
                client.hset(key, "size", "17")

            part = httpx2.get(
                f"{server.url}/v2/a/blobs/{digest}", headers={"Range": "bytes=100-199"}
            )
            assert (part.status_code, part.content) == (206, content[100:200])
            if garbage:
                client.set(key, garbage)
            assert pulled(server, digest) == content
            assert pulled(server, digest) == content


def test_redis_that_ends_in_the_middle_breaks_nothing(
    own: OwnRedis, entrepot_server: StartEntrepot, tmp_path: Path
) -> None:
    with own.client() as client:
        server = using(entrepot_server, caching(own.section, tmp_path / "root"), client)
    contents = [str(number).encode() + LARGE for number in range(12)]
    for number, content in enumerate(contents):
        if number == 4:
            own.kill()
        if number == 8:
            own.start()
            until(lambda: "redis is used again" in server.log.read_text())
        began = time.monotonic()
        digest = pushed(server, content)
        assert pulled(server, digest) == content
        assert time.monotonic() - began < 5
    with own.client() as client:
        until(lambda: written(client, hexadecimal(contents[-1])) is not None)
        client.flushall()
    assert pulled(server, hexadecimal(contents[0])) == contents[0]
    assert server.log.read_text().count("redis is left alone") == 1


def test_redis_that_never_answers_costs_little(
    entrepot_server: StartEntrepot, tmp_path: Path
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        section = {"addrs": [f"127.0.0.1:{silent.getsockname()[1]}"]}
        server = entrepot_server(caching(section, tmp_path))
        digest = pushed(server, LARGE)
        began = time.monotonic()
        with Registry(server.url) as registry:
            for _ in range(20):
                assert registry.blob("a", digest).content == LARGE

        assert time.monotonic() - began < 10  # half of what it would be with a second's wait each


def test_blob_that_is_gone_is_unknown_to_pushes_and_healed(
    own: OwnRedis, entrepot_server: StartEntrepot, tmp_path: Path
) -> None:
    """What Distribution's users restart it for after a collection."""
    with own.client() as client:
        servers = [
            using(entrepot_server, caching(own.section, tmp_path / "root"), client) for _ in "ab"
        ]
    digest = pushed(servers[0], LARGE)
    for server in servers:
        assert pulled(server, digest) == LARGE
    [content] = tmp_path.glob(f"root/docker/registry/v2/blobs/sha256/*/{digest[7:]}/data")
    content.unlink()

    for server in servers:
        assert httpx2.head(f"{server.url}/v2/a/blobs/{digest}").status_code == 404
        assert httpx2.get(f"{server.url}/v2/a/blobs/{digest}").status_code == 404
    pushed(servers[1], LARGE)
    for server in servers:
        assert httpx2.head(f"{server.url}/v2/a/blobs/{digest}").status_code == 200
        assert pulled(server, digest) == LARGE
