"""Clients that push all the time and remember what they were told, whatever the server does."""

import hashlib
import json
import random
import threading
from dataclasses import dataclass, field

import httpx2
from tests.real.registry import Descriptor, hexadecimal

__all__ = ["REPOSITORIES", "Ledger", "Pusher", "Tagged"]

REPOSITORIES = ("crash/one", "crash/two/deep", "crash/three")
CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SECONDS = 30.0  # in which a server that was killed is there again


@dataclass
class Tagged:
    """One client's tag: the digest it was told last, and those it asked for since."""

    acknowledged: str | None = None
    asked: list[str] = field(default_factory=list[str])

    def may_be(self, digest: str | None) -> bool:
        """Whether a pull may find this; None: no such tag."""
        return digest == self.acknowledged or digest in self.asked


@dataclass
class Ledger:
    """What all clients were told; `problems` is what must never be said or happen."""

    problems: list[str] = field(default_factory=list[str])
    tags: dict[tuple[str, str], Tagged] = field(default_factory=dict[tuple[str, str], Tagged])
    blobs: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    referrers: set[tuple[str, str, str]] = field(default_factory=set[tuple[str, str, str]])
    pushes: int = 0
    interrupted: int = 0
    resumed: int = 0

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self.up = threading.Event()
        self.stopped = threading.Event()

    def wait_for_pushes(self, number: int) -> bool:
        """Until that many were acknowledged in all, or something went wrong."""
        with self.changed:
            enough = self.changed.wait_for(
                lambda: self.pushes >= number or self.problems or self.stopped.is_set(), SECONDS
            )
        return bool(enough) and not self.problems


class Interrupted(Exception):  # noqa: N818 - what happened to a push, and no mistake
    """The server went away in the middle of a request."""


class Pusher(threading.Thread):
    """Pushes image after image, each until it is acknowledged; its content follows from `seed`."""

    def __init__(self, url: str, ledger: Ledger, seed: int) -> None:
        super().__init__(name=f"pusher-{seed}", daemon=True)
        self.ledger = ledger
        self.seed = seed
        self.chance = random.Random(seed)
        self.http = httpx2.Client(base_url=url, timeout=SECONDS)
        self.subjects: dict[str, tuple[str, int]] = {}

    def run(self) -> None:
        number = 0
        try:
            while not self.ledger.stopped.is_set():
                self.wait_until_up()
                self.push_until_acknowledged(number)
                number += 1
        except Exception as error:  # a thread's error would be lost
            self.problem(f"{type(error).__name__}: {error}")
        finally:
            self.http.close()

    def problem(self, what: str) -> None:
        with self.ledger.changed:
            self.ledger.problems.append(f"{self.name}: {what}")
            self.ledger.changed.notify_all()

    def push_until_acknowledged(self, number: int) -> None:
        repository = self.chance.choice(REPOSITORIES)
        layers = [self.layer(number, part) for part in range(self.chance.randrange(1, 4))]
        tags = [f"{self.name}-{number}", f"{self.name}-latest"]
        while not self.ledger.stopped.is_set():
            try:
                self.push(repository, layers, tags)
            except Interrupted:
                self.ledger.interrupted += 1
                self.wait_until_up()
            else:
                with self.ledger.changed:
                    self.ledger.pushes += 1
                    self.ledger.changed.notify_all()
                return

    def layer(self, number: int, part: int) -> bytes:
        """One of its own, or one that other clients push, too."""
        if self.chance.random() < 0.2:
            return hashlib.sha256(f"common {number % 20}".encode()).digest() * 500
        size = self.chance.choice([100, 10_000, 300_000])
        return f"{self.seed} {number} {part} ".encode() + self.chance.randbytes(size)

    def wait_until_up(self) -> None:
        if not self.ledger.up.wait(SECONDS):
            raise TimeoutError("the server does not come back")

    # -- requests ----------------------------------------------------------------------------

    def ask(self, method: str, url: str, *wanted: int, content: bytes = b"") -> httpx2.Response:
        headers = {"Content-Type": MANIFEST} if "/manifests/" in url else None
        try:
            answer = self.http.request(method, url, content=content, headers=headers)
        except httpx2.TransportError as error:
            raise Interrupted from error
        if answer.status_code not in wanted:
            raise AssertionError(f"{method} {url}: {answer.status_code} {answer.text[:300]}")
        return answer

    def push(self, repository: str, layers: list[bytes], tags: list[str]) -> None:
        parts = [self.described(repository, layer) for layer in layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.described(repository, CONFIG),
            "layers": parts,
            "annotations": {"tag": tags[0]},
        }
        subject = self.subjects.get(repository)
        if subject is not None and self.seed % 2:
            manifest["subject"] = {"mediaType": MANIFEST, "digest": subject[0], "size": subject[1]}
        content = json.dumps(manifest).encode()
        digest = hexadecimal(content)
        for tag in tags:
            self.tag(repository, tag, content, digest)
        if "subject" in manifest and subject is not None:
            self.ledger.referrers.add((repository, subject[0], digest))
        self.subjects[repository] = (digest, len(content))

    def tag(self, repository: str, tag: str, content: bytes, digest: str) -> None:
        tagged = self.ledger.tags.setdefault((repository, tag), Tagged())
        tagged.asked.append(digest)
        self.ask("PUT", f"/v2/{repository}/manifests/{tag}", 201, content=content)
        tagged.acknowledged = digest
        tagged.asked = []

    def described(self, repository: str, content: bytes) -> Descriptor:
        """A blob that was acknowledged, in one of the styles of clients."""
        digest = hexadecimal(content)
        style = self.chance.choice([self.post_whole, self.put_whole, self.push_in_chunks])
        style(repository, content, digest)
        self.ledger.blobs.add((repository, digest))
        kind = "application/vnd.oci.image.layer.v1.tar"
        return Descriptor(mediaType=kind, digest=digest, size=len(content))

    def post_whole(self, repository: str, content: bytes, digest: str) -> None:
        path = f"/v2/{repository}/blobs/uploads/?digest={digest}"
        self.ask("POST", path, 201, content=content)

    def begin(self, repository: str) -> str:
        answer = self.ask("POST", f"/v2/{repository}/blobs/uploads/", 202)
        return str(answer.headers["Location"])

    def put_whole(self, repository: str, content: bytes, digest: str) -> None:
        location = self.begin(repository)
        self.ask("PUT", f"{location}&digest={digest}", 201, content=content)

    def push_in_chunks(self, repository: str, content: bytes, digest: str) -> None:
        location = self.begin(repository)
        offset, size = 0, len(content) // 3 + 1
        while offset < len(content):
            chunk = content[offset : offset + size]
            try:
                location = self.ask("PATCH", location, 202, content=chunk).headers["Location"]
                offset += len(chunk)
            except Interrupted:
                location, offset = self.resume(location, offset, offset + len(chunk))
        self.ask("PUT", f"{location}&digest={digest}", 201)

    def resume(self, location: str, told: int, sent: int) -> tuple[str, int]:
        """Where an upload goes on whose server was killed: what it acknowledged is there."""
        self.ledger.interrupted += 1
        self.wait_until_up()
        location = str(self.ask("GET", location, 204).headers["Location"])
        held = int(httpx2.URL(location).params["_state"])
        if not told <= held <= sent:
            raise AssertionError(f"{location}: holds {held} bytes, was told {told}, sent {sent}")
        self.ledger.resumed += 1
        return location, held
