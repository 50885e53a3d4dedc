"""Killed in the middle of pushes to object stores: what was acknowledged is whole."""

import hashlib
import random
import threading
from collections.abc import Iterator
from typing import cast

import pytest
from tests.real.backends import CLOUDS, Backend
from tests.real.crash import REPOSITORIES, Ledger, Pusher
from tests.real.registry import Registry
from tests.real.servers import Server, StartEntrepot
from tests.real.test_crash import tag_problems

pytestmark = pytest.mark.parametrize("backend", CLOUDS, indirect=True, scope="module")

KILLS = 8
PUSHES = 8  # about as many between two kills
PUSHERS = 4
SEED = 20261125


@pytest.fixture(scope="module")
def server(backend: Backend, entrepot_server: StartEntrepot) -> Iterator[Server]:
    """Our server on the backend."""
    server = entrepot_server(backend.configuration)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ledger(server: Server) -> Ledger:
    """What clients were told that pushed while the server was killed and started."""
    ledger, chance = Ledger(), random.Random(SEED)
    pushers = [Pusher(server.url, ledger, number) for number in range(PUSHERS)]
    ledger.up.set()
    for pusher in pushers:
        pusher.start()
    verified = dict[tuple[str, str], str]()
    for _ in range(KILLS):
        if not ledger.wait_for_pushes(ledger.pushes + chance.randrange(PUSHES // 2, PUSHES * 2)):
            break
        threading.Event().wait(chance.random() * 0.1)  # not just behind an acknowledgement
        ledger.up.clear()
        server.kill()
        server.start()
        ledger.problems += tag_problems(server.url, ledger, verified)
        ledger.up.set()
    ledger.stopped.set()
    for pusher in pushers:
        pusher.join()
    return ledger


def test_every_acknowledged_push_is_whole(ledger: Ledger, server: Server) -> None:
    assert ledger.problems == []
    assert ledger.pushes >= KILLS * PUSHES // 2
    assert ledger.interrupted >= KILLS, "kills in the middle of pushes"
    with Registry(server.url) as registry:
        for (repository, tag), tagged in ledger.tags.items():
            if tagged.acknowledged is not None:
                assert tagged.may_be(registry.digest(repository, tag))
                registry.verify(repository, tag)
        for repository, digest in ledger.blobs:
            answer = registry.blob(repository, digest)
            assert answer.status_code == 200
            assert f"sha256:{hashlib.sha256(answer.content).hexdigest()}" == digest


def test_every_acknowledged_referrer_is_listed(ledger: Ledger, server: Server) -> None:
    assert ledger.referrers
    with Registry(server.url) as registry:
        for repository, subject, digest in ledger.referrers:
            answer = registry.http.get(f"/v2/{repository}/referrers/{subject}")
            listed = cast("list[dict[str, str]]", answer.json()["manifests"])
            assert digest in {each["digest"] for each in listed}


def test_nothing_in_the_bucket_is_torn(ledger: Ledger, backend: Backend) -> None:
    """Whether or not it was acknowledged, and whatever else lies there."""
    assert ledger.pushes
    keys = backend.bucket.objects()
    blobs = {key.split("/")[-2] for key in keys if key.endswith("/data") and "/blobs/" in key}
    torn = [
        key
        for key in keys
        if key.endswith("/data")
        and "/blobs/" in key
        and hashlib.sha256(backend.bucket.read(key)).hexdigest() != key.split("/")[-2]
    ]
    links = {key: backend.bucket.read(key).decode() for key in keys if key.endswith("/link")}
    astray = {key: link for key, link in links.items() if link.partition(":")[2] not in blobs}

    assert len(blobs) > KILLS
    assert torn == []
    assert astray == {}


def test_pushing_goes_on(ledger: Ledger, server: Server) -> None:
    with Registry(server.url) as registry:
        for repository in REPOSITORIES:
            digest = registry.push_image(repository, f"after-{ledger.pushes}", [b"again"])
            registry.verify(repository, digest)
