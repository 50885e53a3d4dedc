"""The whole registry on RADOS: replicas on one pool, kills, refusals, and a cluster in trouble."""

import json
import os
import random
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.real.backends import Backend, open_backend
from tests.real.clients import COPIERS
from tests.real.crash import Ledger, Pusher
from tests.real.drivers.rados_pools import rados_settings, require_rados
from tests.real.programs import clean_environment, run
from tests.real.registry import Registry, hexadecimal
from tests.real.servers import Server, StartEntrepot, entrepot_command
from tests.real.test_clients import pulled_digests
from tests.real.test_unusable import failed_start
from tests.services.ceph import PORTS, Cluster, start_cluster
from tests.services.definition import Place
from tests.services.ports import choose
from tests.services.running import Service
from tests.tools.images import Image

MIB = 1024 * 1024
KILLS = 2
SEED = 20261130
NOBODYS = "AQB1c2VkAAAAABAAbm8ga2V5IG9mIGFueWJvZHk9PQ=="


@pytest.fixture(scope="module")
def backend() -> Generator[Backend, None, None]:
    """A namespace of its own."""
    with open_backend("rados") as backend:
        yield backend


@pytest.fixture(scope="module")
def replicas(backend: Backend, entrepot_server: StartEntrepot) -> Iterator[list[Server]]:
    """Two servers that share nothing but the pool."""
    servers = [entrepot_server(backend.configuration) for _ in range(2)]
    yield servers
    for server in servers:
        server.stop()


def test_image_pushed_to_one_replica_returns_from_the_other(
    replicas: list[Server], repository: str, env: dict[str, str], image: Callable[[str], Image]
) -> None:
    client, pushed = COPIERS["skopeo"], image("big")
    pulled = Path(env["HOME"]).parent / "pulled"

    client.push(pushed, f"{replicas[0].address}/{repository}:1", env)
    client.pull(f"{replicas[1].address}/{repository}:1", pulled, env)

    assert pulled_digests(pulled) >= pushed.manifests | pushed.blobs


def test_tag_that_moves_is_served_by_the_other_replica_at_once(
    replicas: list[Server], repository: str
) -> None:
    with Registry(replicas[0].url) as one, Registry(replicas[1].url) as other:
        for turn in range(20):
            pushing, asking = (one, other) if turn % 2 else (other, one)
            digest = pushing.push_image(repository, "latest", [b"layer %d" % turn])
            pushing.push_image(repository, f"number-{turn}", [b"layer %d" % turn])

            assert asking.digest(repository, "latest") == digest
            assert f"number-{turn}" in asking.tags(repository)
        assert len(other.tags(repository)) == 21


def test_replica_that_is_killed_loses_nothing_that_was_acknowledged(
    entrepot_server: StartEntrepot,
) -> None:
    with open_backend("rados") as backend:
        server, chance = entrepot_server(backend.configuration), random.Random(SEED)
        ledger = Ledger()
        pushers = [Pusher(server.url, ledger, number) for number in range(2)]
        ledger.up.set()
        for pusher in pushers:
            pusher.start()
        for _ in range(KILLS):
            if not ledger.wait_for_pushes(ledger.pushes + 2):
                break
            threading.Event().wait(chance.random() * 0.2)  # not just behind an acknowledgement
            ledger.up.clear()
            server.kill()
            server.start()
            ledger.up.set()
        ledger.stopped.set()
        for pusher in pushers:
            pusher.join()

        assert ledger.problems == []
        assert ledger.interrupted >= KILLS, "kills in the middle of pushes"
        said = run("entrepot-rados", "reindex", server.config_file, env=with_our_programs())
        assert "entries added to the index: 0" in said
        verify_acknowledged(server, ledger)
        server.stop()


def with_our_programs() -> dict[str, str]:
    """The environment in which commands of the environment of these tests are found."""
    folder = str(Path(entrepot_command()[0]).parent)
    return clean_environment() | {"PATH": f"{folder}:{os.environ['PATH']}"}


def verify_acknowledged(server: Server, ledger: Ledger) -> None:
    assert ledger.blobs
    with Registry(server.url) as registry:
        for (repository, tag), tagged in ledger.tags.items():
            if tagged.acknowledged is not None:
                assert tagged.may_be(registry.digest(repository, tag))
                assert tag in registry.tags(repository)
                registry.verify(repository, tag)
        for repository, digest in ledger.blobs:
            assert hexadecimal(registry.blob(repository, digest).content) == digest


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "wrong key": ({"key": NOBODYS}, r"refuses the key of 'client\.registry'"),
    "absent pool": ({"poolname": "not-there"}, r"no pool 'not-there'; `ceph osd pool create"),
    "no monitor": ({"monitors": "127.0.0.1:9", "connecttimeout": 2}, r"no monitor of 127.0.0.1:9"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_store_that_cannot_be_used_is_told_at_start(
    backend: Backend, case: str, tmp_path: Path
) -> None:
    changes, wanted = UNUSABLE[case]

    said, seconds = failed_start(backend.configured(**changes), tmp_path)

    told = [line for line in said.splitlines() if line.strip() and "level=info" not in line]
    assert len(told) <= 3, said  # a long line is broken where the terminal ends
    assert re.search(wanted, " ".join(told)), said
    assert "Traceback" not in said
    assert seconds < 30
    assert not [secret for secret in (*backend.secrets, NOBODYS) if secret in said]


def test_every_promise_is_kept_and_nothing_is_left(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    with open_backend("rados") as backend:
        config.write_text(json.dumps({"version": "0.1", **backend.configuration}))
        command = (*entrepot_command(), "drivers", "check", str(config), "--json")
        report = json.loads(run(*command, env=clean_environment(), timeout=120))

        assert [row for row in report["checks"] if row["result"] == "failed"] == []
        assert backend.secrets[0] not in json.dumps(report)
        assert backend.bucket.objects() == []


# -- a cluster in trouble, which is nobody else's ---------------------------------------------


@dataclass(frozen=True, slots=True)
class Trouble:
    """A cluster of its own, and a registry on it."""

    cluster: Cluster
    osd: int
    server: Server

    def fill_at(self, ratio: float) -> None:
        """The part of its space at which the OSD counts as full; it looks every few seconds."""
        for name in ("nearfull", "backfillfull", "full"):
            self.cluster.run("ceph", "osd", f"set-{name}-ratio", str(ratio))

    @contextmanager
    def stopped(self) -> Generator[None]:
        """The OSD answers nothing meanwhile, as if its machine hung."""
        os.kill(self.osd, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.osd, signal.SIGCONT)


@pytest.fixture(scope="module")
def trouble(entrepot_server: StartEntrepot) -> Iterator[Trouble]:
    require_rados()
    with tempfile.TemporaryDirectory(prefix="ceph-") as folder:
        place = Place(Path(folder), choose(PORTS), 4096 * MIB)
        try:
            cluster = start_cluster(place)
            service = Service("ceph", (), cluster.access)
            settings = rados_settings(service, service["pool"], "alone") | {"timeout": 3}
            server = entrepot_server({"storage": {"rados": settings, "delete": {"enabled": True}}})
            yield Trouble(cluster, place.processes[-1].pid, server)
            server.stop()
        finally:
            place.end(5)


@pytest.mark.wide  # a cluster of its own takes ten seconds
def test_osd_that_stops_in_the_middle_of_a_push_is_told_in_time(trouble: Trouble) -> None:
    content = random.Random(SEED).randbytes(40 * MIB)
    with Registry(trouble.server.url) as registry:
        kept = registry.push_image("kept", "1", [content[: 9 * MIB]])
        manifest = registry.manifest("kept", "1").content
        location = registry.begin_upload("cut")
        halves = content[: 20 * MIB], content[20 * MIB :]
        with ExitStack() as stopped:

            def halting() -> Iterator[bytes]:
                yield halves[0]
                stopped.enter_context(trouble.stopped())
                yield halves[1]

            began = time.monotonic()
            answers = [
                registry.http.patch(location, content=halting(), timeout=60),
                registry.http.put(
                    "/v2/kept/manifests/2",
                    content=manifest,
                    timeout=60,
                ),
            ]
            seconds = time.monotonic() - began
        assert [answer.status_code for answer in answers] == [503, 503]
        assert seconds < 30

        assert registry.digest("kept", "1") == kept
        registry.verify("kept", "1")
        assert registry.manifest("kept", "2").status_code == 404
        digest = registry.push_blob("cut", content)
        assert hexadecimal(registry.blob("cut", digest).content) == digest


@pytest.mark.wide
def test_cluster_that_is_full_is_told_and_can_be_emptied(trouble: Trouble) -> None:
    with Registry(trouble.server.url) as registry:
        digest = registry.push_image("gone", "1", [random.Random(1).randbytes(20 * MIB)])
        trouble.fill_at(0.001)
        try:
            answer = until(lambda: pushed(registry), 507)
            assert "storage" in answer.text or "space" in answer.text
            assert registry.manifest("gone", "1").status_code == 200
            registry.verify("gone", "1")
            assert registry.delete("gone", digest) == 202
            assert registry.manifest("gone", "1").status_code == 404
        finally:
            trouble.fill_at(0.99)
        assert until(lambda: pushed(registry), 201).status_code == 201


def pushed(registry: Registry) -> httpx2.Response:
    """The answer to a small blob."""
    content = os.urandom(100)
    begun = registry.http.post("/v2/some/blobs/uploads/")
    if begun.status_code != 202:
        return begun
    named = {"digest": hexadecimal(content)}
    return registry.http.put(begun.headers["Location"], params=named, content=content)


def until(asked: Callable[[], httpx2.Response], status: int) -> httpx2.Response:
    deadline = time.monotonic() + 60
    while (answer := asked()).status_code != status:
        assert time.monotonic() < deadline, f"{answer.status_code}: {answer.text}"
        time.sleep(0.2)
    return answer
