"""A day's work of two replicas in a minute, while collectors are killed: nothing is lost."""

import itertools
import json
import random
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2
import pytest
from tests.real import hurried
from tests.real.backends import Backend
from tests.real.buckets import Bucket
from tests.real.programs import clean_environment
from tests.real.registry import Descriptor, Registry, hexadecimal
from tests.real.servers import Server

pytestmark = pytest.mark.parametrize("backend", ["s3"], indirect=True, scope="module")

SEED = 20261130
SECONDS = 30.0
LONGEST = 120.0  # seconds; on a busy machine it takes longer until enough has happened
CLIENTS = 4
REPOSITORIES = ("team/one", "team/two/deep")
COMMON = [f"common layer {number}".encode() * 50 for number in range(4)]
KIND = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
COLLECT = (
    *("garbage-collect", "--quiet", "--json", "--delete-untagged"),
    *("--grace", "3s", "--wait", "0s"),
)


@dataclass
class Work:
    """What the clients were told, and what must never have been said."""

    tags: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    problems: list[str] = field(default_factory=list[str])
    pushes: int = 0
    refused: int = 0
    skipped: int = 0  # blobs that the registry said it has
    deleted: int = 0
    killed: int = 0
    collected: int = 0
    unfinished: int = 0  # collectors too slow for some batch, which they left as they must
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def is_enough(self) -> bool:
        return self.pushes > 20 and self.deleted > 3 and self.killed >= 2 and self.collected >= 2


@pytest.fixture(scope="module")
def servers(backend: Backend, start_server: Callable[..., Server]) -> list[Server]:
    """Two replicas on one bucket."""
    return [start_server(hurried.COMMAND, backend.configuration) for _ in range(2)]


class Client(threading.Thread):
    """Pushes images of few different layers, moves and deletes its tags, pulls what it has."""

    def __init__(self, servers: list[Server], bucket: Bucket, work: Work, number: int) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self.bucket = bucket
        self.work = work
        self.chance = random.Random(SEED + number)
        self.registries = [Registry(server.url) for server in servers]
        self.own: dict[tuple[str, str], str] = {}

    def run(self) -> None:
        try:
            while not self.work.stopped.is_set():
                self.chance.choice(
                    [self.push, self.push, self.push_index, self.delete, self.pull]
                )()
        except Exception as error:  # a thread's error would be lost
            self.work.problems.append(f"{self.name}: {type(error).__name__}: {error}")
            there = self.bucket.objects()
            self.work.problems += [key for key in there if "collection" in key or self.name in key]
        finally:
            for registry in self.registries:
                registry.http.close()

    @property
    def http(self) -> httpx2.Client:
        return self.chance.choice(self.registries).http

    def push(self) -> None:
        repository = self.chance.choice(REPOSITORIES)
        layers = [self.layer(), self.layer()]
        self.until_taken(repository, lambda: self.image(repository, layers), KIND)

    def push_index(self) -> None:
        """Over an image that has no tag of its own, which some client pushed earlier perhaps."""
        repository = self.chance.choice(REPOSITORIES)
        layers = [self.layer()]

        def index() -> bytes | None:
            child = self.image(repository, layers)
            if child is None:
                return None
            digest = hexadecimal(child)
            answer = self.http.head(f"/v2/{repository}/manifests/{digest}")
            if answer.status_code != 200 and not self.put(repository, digest, child, KIND):
                return None
            described = Descriptor(mediaType=KIND, digest=digest, size=len(child))
            document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [described]}
            return json.dumps(document).encode()

        self.until_taken(repository, index, INDEX)

    def layer(self) -> bytes:
        """Some come and go; those that are there always leave only manifests to be condemned."""
        if self.chance.randrange(2):
            return self.chance.choice(COMMON)
        return f"layer {self.chance.randrange(60)}".encode() * 50

    def until_taken(self, repository: str, make: Callable[[], bytes | None], kind: str) -> None:
        """As clients do that begin again when something that was there is there no more."""
        tag = f"{self.name}-{self.chance.randrange(2)}"
        deadline = time.monotonic() + 4 * hurried.SLOWEST
        self.forget(repository, tag)
        while time.monotonic() < deadline:
            content = make()
            if content is not None and self.put(repository, tag, content, kind):
                self.own[repository, tag] = self.work.tags[repository, tag] = hexadecimal(content)
                self.work.pushes += 1
                return
            self.work.refused += 1
            time.sleep(0.2)
        raise AssertionError(f"{repository}:{tag} is never taken")

    def forget(self, repository: str, tag: str) -> None:
        """While it moves, it may be either; until then it is whole."""
        if (repository, tag) in self.own:
            self.check(repository, tag)
        self.own.pop((repository, tag), None)
        self.work.tags.pop((repository, tag), None)

    def image(self, repository: str, layers: list[bytes]) -> bytes | None:
        """None: one of its blobs cannot be pushed just now."""
        parts = [self.blob(repository, content) for content in [CONFIG, *layers]]
        if not all(parts):
            return None
        document = {"schemaVersion": 2, "mediaType": KIND, "config": parts[0], "layers": parts[1:]}
        return json.dumps(document).encode()

    def blob(self, repository: str, content: bytes) -> Descriptor | None:
        """A blob that the repository has, by one of the ways of clients."""
        digest = hexadecimal(content)
        found = Descriptor(mediaType="application/octet-stream", digest=digest, size=len(content))
        path = f"/v2/{repository}/blobs/"
        if self.http.head(path + digest).status_code == 200:
            self.work.skipped += 1
            return found
        source = self.chance.choice(REPOSITORIES)
        answer = self.http.post(f"{path}uploads/?mount={digest}&from={source}")
        if answer.status_code == 202:
            location = httpx2.URL(answer.headers["Location"]).copy_merge_params({"digest": digest})
            answer = self.http.put(location.raw_path.decode(), content=content)
        if answer.status_code == 503:
            return None
        assert answer.status_code == 201, f"{answer.status_code} {answer.text}"
        return found

    def put(self, repository: str, reference: str, content: bytes, kind: str) -> bool:
        path = f"/v2/{repository}/manifests/{reference}"
        answer = self.http.put(path, content=content, headers={"Content-Type": kind})
        if answer.status_code in {400, 404, 503}:
            code = answer.json()["errors"][0]["code"]
            assert code in {"MANIFEST_BLOB_UNKNOWN", "UNAVAILABLE"}, answer.text
            return False
        assert answer.status_code == 201, f"{answer.status_code} {answer.text}"
        return True

    def delete(self) -> None:
        if not self.own:
            return
        repository, tag = self.chance.choice(sorted(self.own))
        self.forget(repository, tag)
        answer = self.http.delete(f"/v2/{repository}/manifests/{tag}")
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        self.work.deleted += 1

    def pull(self) -> None:
        if not self.own:
            return
        self.check(*self.chance.choice(sorted(self.own)))

    def check(self, repository: str, tag: str) -> None:
        registry = self.chance.choice(self.registries)
        assert registry.digest(repository, tag) == self.own[repository, tag]
        registry.verify(repository, tag)


def collect_and_kill(server: Server, work: Work, number: int) -> None:
    """Collector after collector, every other one killed after a while that differs."""
    chance = random.Random(SEED + number)
    for turn in itertools.count(number):
        if work.stopped.is_set():
            return
        patience = None if turn % 2 else chance.uniform(2, 10)
        if not collect(server, work, patience):
            work.killed += 1


def collect(server: Server, work: Work, patience: float | None, *options: str) -> bool:
    """Whether a collector came to its end before it was killed."""
    with subprocess.Popen(
        [*hurried.COMMAND, *options, *COLLECT, str(server.config_file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    ) as collector:
        try:
            result, said = collector.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            collector.kill()
            return False
    work.collected += 1
    if collector.returncode == 1 and result and json.loads(result)["result"]["failed"]:
        work.unfinished += 1
    elif collector.returncode:
        work.problems.append(f"collector: {said.decode(errors='replace')[-2000:]}")
    return True


@pytest.fixture(scope="module")
def work(servers: list[Server], backend: Backend) -> Work:
    """What happened."""
    work = Work()
    with Registry(servers[0].url) as registry:
        for name in REPOSITORIES:
            work.tags[name, "base"] = registry.push_image(name, "base", COMMON)
    clients = [Client(servers, backend.bucket, work, number) for number in range(CLIENTS)]
    collectors = [
        threading.Thread(target=collect_and_kill, args=(server, work, number), daemon=True)
        for number, server in enumerate(servers)
    ]
    for thread in [*clients, *collectors]:
        thread.start()
    began = time.monotonic()
    work.stopped.wait(SECONDS)
    while not work.is_enough and not work.problems and time.monotonic() < began + LONGEST:
        work.stopped.wait(1)
    work.stopped.set()
    for thread in [*clients, *collectors]:
        thread.join()
    return work


def test_nothing_that_was_acknowledged_is_lost(work: Work, servers: list[Server]) -> None:
    assert work.problems == []
    assert work.pushes > 20
    assert work.deleted > 3
    assert work.killed >= 2
    assert work.collected >= 2
    assert work.tags
    for server in servers:
        with Registry(server.url) as registry:
            for (repository, tag), digest in work.tags.items():
                assert registry.digest(repository, tag) == digest
                registry.verify(repository, tag)


def test_everything_else_is_gone_in_the_end(
    work: Work, servers: list[Server], backend: Backend
) -> None:
    time.sleep(hurried.SLOWEST)  # what was written last is old then, and dead claims are settled
    needed = digests_in_need(servers[1])
    for _ in range(5):
        assert collect(servers[0], work, None, hurried.AT_ONCE)
        if stored_digests(backend) == needed:
            break

    assert work.problems == []
    assert stored_digests(backend) == digests_in_need(servers[1]) == needed
    assert not [key for key in backend.bucket.objects() if "entrepot/collection/current" in key]


def digests_in_need(server: Server) -> set[str]:
    """All that tags lead to, as a client reads it."""
    needed = set[str]()
    with Registry(server.url) as registry:
        for repository in REPOSITORIES:
            for tag in registry.tags(repository):
                for found in registry.verify(repository, tag):
                    needed |= found
    return needed


def stored_digests(backend: Backend) -> set[str]:
    return {
        f"sha256:{key.split('/')[-2]}"
        for key in backend.bucket.objects()
        if "/v2/blobs/" in key and key.endswith("/data")
    }
