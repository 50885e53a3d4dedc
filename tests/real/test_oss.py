"""The whole registry on OSS, of which there is an imitation; the vendor's client judges that.

It shows that our code speaks OSS's dialect as its reference describes it, not that Alibaba
accepts it.
"""

import hashlib
import itertools
import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from tests.real.backends import Backend, open_backend
from tests.real.clients import COPIERS
from tests.real.crash import Ledger, Pusher
from tests.real.programs import clean_environment, run
from tests.real.registry import Registry, hexadecimal
from tests.real.servers import Server, StartEntrepot
from tests.real.test_clients import pulled_digests
from tests.real.test_crash import tag_problems
from tests.services.running import require_service
from tests.tools.images import Image

MIB = 1024 * 1024
LAYER = bytes(range(251)) * (12 * MIB // 251)  # more than two parts
KILLS = 2


@pytest.fixture(scope="module")
def backend() -> Generator[Backend, None, None]:
    """A bucket of its own."""
    with open_backend("oss") as backend:
        yield backend


@pytest.fixture(scope="module")
def servers(
    backend: Backend, entrepot_server: StartEntrepot
) -> Generator[list[Server], None, None]:
    """Two of our servers on the bucket; the first sends clients there."""
    started = [entrepot_server(backend.configured(redirect=redirect)) for redirect in (True, False)]
    yield started
    for server in started:
        server.stop()


@pytest.fixture
def replicas(servers: list[Server]) -> Generator[list[Registry], None, None]:
    """Plain requests to each of them."""
    with ExitStack() as stack:
        yield [stack.enter_context(Registry(server.url)) for server in servers]


def leftovers(backend: Backend) -> list[str]:
    """What is kept of uploads; all of them are over."""
    held = [key for key in backend.bucket.objects() if "/_uploads/" in key]
    return held + backend.bucket.unfinished()


def test_image_pushed_to_one_replica_is_pulled_from_the_other(
    servers: list[Server],
    replicas: list[Registry],
    repository: str,
    env: dict[str, str],
    image: Callable[[str], Image],
) -> None:
    client, pushed = COPIERS["skopeo"], image("big")
    pulled = Path(env["HOME"]).parent / "pulled"

    client.push(pushed, f"{servers[1].address}/{repository}:1", env)
    client.pull(f"{servers[0].address}/{repository}:1", pulled, env)  # by links

    assert replicas[0].digest(repository, "1") == pushed.digest
    assert pulled_digests(pulled) >= pushed.manifests | pushed.blobs


def test_chunks_of_one_upload_alternate(
    replicas: list[Registry], repository: str, backend: Backend
) -> None:
    sizes = itertools.cycle([1, 3 * MIB, 6 * MIB + 5, 100_000])
    location, offset, turns = replicas[0].begin_upload(repository), 0, itertools.cycle(replicas)
    for turn, size in zip(turns, sizes, strict=False):
        chunk = LAYER[offset : offset + size]
        if not chunk:
            break
        headers = {"Content-Range": f"{offset}-{offset + len(chunk) - 1}"}
        answer = turn.http.patch(location, content=chunk, headers=headers)
        assert answer.status_code == 202, answer.text
        offset += len(chunk)

    digest = f"sha256:{hashlib.sha256(LAYER).hexdigest()}"
    done = replicas[1].http.put(location, params={"digest": digest})

    assert done.status_code == 201, done.text
    assert hexadecimal(replicas[1].blob(repository, digest).content) == digest
    assert leftovers(backend) == []


def test_upload_that_is_given_up_leaves_nothing(
    replicas: list[Registry], repository: str, backend: Backend
) -> None:
    location = replicas[0].begin_upload(repository)
    assert replicas[0].http.patch(location, content=LAYER).status_code == 202
    assert backend.bucket.unfinished()

    given_up = replicas[1].http.delete(location)

    assert given_up.status_code == 204
    assert leftovers(backend) == []


def test_client_is_sent_to_oss(backend: Backend, replicas: list[Registry], repository: str) -> None:
    digest = replicas[1].push_blob(repository, f"linked {repository}".encode() + LAYER)
    path = f"/v2/{repository}/blobs/{digest}"

    sent = replicas[0].http.get(path, follow_redirects=False)
    location = sent.headers["Location"]
    whole, part = httpx2.get(location), httpx2.get(location, headers={"Range": "bytes=1-3"})
    forged = httpx2.get(location.replace(digest[-8:], "00000000"))

    assert sent.status_code == 307
    assert httpx2.URL(location).netloc.decode() == backend.endpoint
    assert hexadecimal(whole.content) == digest
    assert (part.status_code, part.content) == (206, whole.content[1:4])
    assert forged.status_code == 403
    assert backend.secrets[0] not in location


def test_vendors_client_reads_what_we_wrote_and_we_read_what_it_wrote(
    backend: Backend, replicas: list[Registry], repository: str
) -> None:
    """It judges the imitation by signatures of its own, and our objects by their names."""
    service, content = require_service("oss"), f"of another {repository}".encode() + LAYER
    ours, theirs = replicas[1].push_blob(repository, content), hashlib.sha256(LAYER[1:]).hexdigest()
    blobs = "below/here/docker/registry/v2/blobs/sha256"
    named = (service[name] for name in ("endpoint", "region", "accesskeyid", "accesskeysecret"))
    key = f"{blobs}/{theirs[:2]}/{theirs}/data"
    command = [service["python"], str(Path(__file__).parent / "oss_client.py"), *named]

    done = subprocess.run(
        [*command, backend.options["bucket"], key],
        input=LAYER[1:],
        capture_output=True,
        timeout=60,
        check=True,
    )
    found, seen = json.loads(done.stdout), set(backend.bucket.objects())
    mounted = replicas[1].http.post(
        f"/v2/{repository}/blobs/uploads/", params={"mount": f"sha256:{theirs}"}
    )

    wanted = ours.removeprefix("sha256:")
    assert found[f"{blobs}/{wanted[:2]}/{wanted}/data"] == wanted
    assert found[key] == theirs
    assert set(found) == seen
    assert mounted.status_code == 201
    assert replicas[1].blob(repository, f"sha256:{theirs}").content == LAYER[1:]


def test_killed_in_the_middle_of_pushes_it_loses_nothing_acknowledged(
    entrepot_server: StartEntrepot, backend: Backend
) -> None:
    server = entrepot_server(backend.configuration)
    ledger, chance = Ledger(), random.Random(20261130)
    pushers = [Pusher(server.url, ledger, number) for number in range(2)]
    ledger.up.set()
    for pusher in pushers:
        pusher.start()
    verified = dict[tuple[str, str], str]()
    for _ in range(KILLS):
        if not ledger.wait_for_pushes(ledger.pushes + chance.randrange(2, 5)):
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

    assert ledger.problems == []
    assert ledger.interrupted
    with Registry(server.url) as registry:
        for (repository, tag), tagged in ledger.tags.items():
            if tagged.acknowledged is not None:
                assert tagged.may_be(registry.digest(repository, tag))
                registry.verify(repository, tag)
        for repository, digest in ledger.blobs:
            assert hexadecimal(registry.blob(repository, digest).content) == digest
    server.stop()


def test_every_promise_is_kept_and_nothing_is_left(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    with open_backend("oss") as backend:
        config.write_text(json.dumps({"version": "0.1", **backend.configuration}))
        command = (sys.executable, "-m", "entrepot.server", "drivers", "check", config, "--json")
        report = json.loads(run(*command, env=clean_environment(), timeout=300))

        assert [row for row in report["checks"] if row["result"] == "failed"] == []
        assert backend.secrets[0] not in json.dumps(report)
        assert leftovers(backend) == []
        assert backend.bucket.objects() == []
