"""What is done to one running server, and which figures come of it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import processes, transfers
from benchmarks.clients import Client, Usage, together
from benchmarks.content import TAIL, Blob, Content
from benchmarks.failures import BenchmarkError
from benchmarks.figures import Figures, Measure
from benchmarks.requesting import Endpoint, client_name, hammer, request_rate
from benchmarks.servers import Server
from benchmarks.storages import MIB
from benchmarks.syncing import flush
from benchmarks.transfers import Push
from benchmarks.warming import warm_memory
from benchmarks.wire import Connection

__all__ = ["GIB", "MIB", "SMALL", "STAGES", "Load", "Plan", "Run"]

GIB = 1 << 30
SMALL = 2048  # bytes of the blob that is asked for again and again
STAGES = ("start", "transfers", "small", "requests", "memory")

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_SETTLING = 1.0  # seconds until memory is called idle


@dataclass(frozen=True, slots=True)
class Load:
    """So many clients at once, each with a blob of so many bytes."""

    clients: int
    size: int

    @property
    def amount(self) -> int:
        """Bytes of all the blobs."""
        return self.clients * self.size

    def __str__(self) -> str:
        size = f"{self.size / GIB:g} GiB" if self.size >= GIB else f"{self.size / MIB:g} MiB"
        return f"{self.clients} x {size}"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done."""

    loads: Sequence[Load]
    memory: Load
    connections: int
    seconds: int
    stages: Sequence[str]
    styles: Sequence[str]  # of pushing
    small: int  # blobs

    @property
    def sizes(self) -> set[int]:
        """The sizes of the blobs that will be needed."""
        return {TAIL, MIB, *(load.size for load in self._planned)}

    @property
    def space(self) -> int:
        """Bytes of disk that are in use at most: one file of content, one phase's blobs."""
        return max(self.sizes) + max(load.amount for load in (*self._planned, Load(1, MIB)))

    @property
    def _planned(self) -> list[Load]:
        loads = list(self.loads) if "transfers" in self.stages else []
        return loads + [self.memory] * ("memory" in self.stages)


@dataclass(slots=True)
class Run:
    """One server, from its start to the last figure."""

    server: Server
    content: Content
    plan: Plan
    figures: Figures
    say: Callable[[str], None]
    pushes: int = 0

    def all(self) -> None:
        """Every stage that is planned."""
        stages = {
            "start": self.start,
            "transfers": self.transfers,
            "small": self.small,
            "requests": self.requests,
            "memory": self.memory,
        }
        for name in STAGES:
            if name in self.plan.stages:
                stages[name]()

    def start(self) -> None:
        """Time and work until the first answer; memory before there was anything to do."""
        spent = processes.processor_seconds(self.server.pid)
        self._add("s", "start until /v2/ answers", self.server.start_seconds)
        self._add("s", "start until /v2/ answers, CPU", spent)
        time.sleep(_SETTLING)
        idle = processes.resident_memory(self.server.pid)
        self._add("MiB", "resident, idle after start", idle / MIB)

    def transfers(self) -> None:
        """Every load pushed in every style, and the last of them pulled."""
        self.push_one()
        for load in self.plan.loads:
            blobs: list[Blob] = []
            for style in self.plan.styles:
                self._forget_blobs()
                blobs = [self.content.blob(load.size) for _ in range(load.clients)]
                clients = [self._pushing(style, blob) for blob in blobs]
                self._transfer(f"push, {style}, {load}", load, clients)
            self._transfer(f"pull, {load}", load, [self._pulling(blob) for blob in blobs])
        self._forget_blobs()

    def small(self) -> None:
        """Many small blobs pushed and pulled, by one client and by several."""
        for clients in sorted({load.clients for load in self.plan.loads}):
            blobs = [self.content.blob(TAIL) for _ in range(self.plan.small)]
            shares = [blobs[at::clients] for at in range(clients)]
            for verb, act in (("push", transfers.push_put), ("pull", transfers.pull)):
                usage = together(self.server.pid, [self._each(act, share) for share in shares])
                what = f"{verb}, {len(blobs)} blobs of {TAIL >> 10} KiB, {_counted(clients)}"
                self._add("CPU ms / blob", what, usage.cpu / len(blobs) * 1000)
                self._add("wall ms / blob", what, usage.wall / len(blobs) * 1000)

    def memory(self) -> None:
        """The peak while large blobs are pushed at once."""
        self._forget_blobs()
        load = self.plan.memory
        blobs = [self.content.blob(load.size) for _ in range(load.clients)]
        usage = self._together(load, [self._pushing("PATCH whole", blob) for blob in blobs])
        self._add("MiB", f"resident at most, push of {load}", usage.peak / MIB)
        self._forget_blobs()

    def requests(self) -> None:
        """Small requests by the second, and by the second of the server's work."""
        for endpoint in self._small_image():
            hammer(self.server.address, endpoint, self.plan.connections, 0.3)
            before = processes.processor_seconds(self.server.pid)
            rate = request_rate(
                self.server.address, endpoint, self.plan.connections, self.plan.seconds
            )
            spent = max(0.01, processes.processor_seconds(self.server.pid) - before)
            what = f"{endpoint.name} [{client_name(endpoint.method)}]"
            self._add("requests / CPU s", what, rate.requests / spent, less=False)
            self._add("requests / s", what, rate.requests / rate.seconds, less=False)

    def push_one(self) -> None:
        """Push and pull a blob of 1 MiB."""
        blob = self.content.blob(MIB)
        with Connection(self.server.address) as connection:
            transfers.push_patch(connection, "bench/one", blob)
            transfers.pull(connection, "bench/one", blob)

    def _add(self, unit: str, what: str, value: float, *, less: bool = True) -> None:
        self.figures.add(Measure(unit, what, less), self.server.program.name, value)
        self.say(f"{self.server.program.title}: {what}: {value:,.2f} {unit}")

    def _transfer(self, what: str, load: Load, clients: Sequence[Client]) -> None:
        usage = self._together(load, clients)
        self._add("CPU s / GiB", what, usage.cpu / load.amount * GIB)
        self._add("wall s / GiB", what, usage.wall / load.amount * GIB)
        self._add("MiB", f"resident at most, {what}", usage.peak / MIB)

    def _together(self, load: Load, clients: Sequence[Client]) -> Usage:
        """Let the clients work once earlier phases are on the disk and memory is at hand."""
        flush(self.server.folder.parent)
        with warm_memory(load.amount + load.amount // 8):
            return together(self.server.pid, clients)

    def _pushing(self, style: str, blob: Blob) -> Client:
        def client(ready: Callable[[], None]) -> None:
            with Connection(self.server.address) as connection:
                ready()
                transfers.STYLES[style](connection, "bench/large", blob)

        return client

    def _pulling(self, blob: Blob) -> Client:
        def client(ready: Callable[[], None]) -> None:
            with Connection(self.server.address) as connection:
                ready()
                transfers.pull(connection, "bench/large", blob)

        return client

    def _each(self, act: Push, blobs: Sequence[Blob]) -> Client:
        def client(ready: Callable[[], None]) -> None:
            with Connection(self.server.address) as connection:
                ready()
                for blob in blobs:
                    act(connection, "bench/small", blob)

        return client

    def _forget_blobs(self) -> None:
        """Free the store of what earlier phases pushed; nobody asks for it again."""
        self.server.storage.forget()

    def _small_image(self) -> list[Endpoint]:
        """Push an image with one small layer; the requests for its parts."""
        layer = hashlib.shake_256(b"layer").digest(SMALL)
        config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": _descriptor(config, "application/vnd.oci.image.config.v1+json"),
                "layers": [_descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
            }
        ).encode()
        with Connection(self.server.address) as connection:
            for part in (config, layer):
                _push_small(connection, part)
            path, kind = "/v2/bench/small/manifests/1", {"Content-Type": _MANIFEST}
            answer = connection.ask("PUT", path, manifest, kind)
        if answer.status != 201:
            raise BenchmarkError(f"a manifest was refused: {answer.status} {answer.body!r}")
        return _endpoints(_digest(manifest), _digest(layer))


def _counted(clients: int) -> str:
    return f"{clients} client{'s' * (clients > 1)}"


def _endpoints(manifest: str, layer: str) -> list[Endpoint]:
    tagged, digested = (f"/v2/bench/small/manifests/{each}" for each in ("1", manifest))
    blob, accept = f"/v2/bench/small/blobs/{layer}", {"Accept": _MANIFEST}
    return [
        Endpoint("GET /v2/", "GET", "/v2/"),
        Endpoint("HEAD manifest by tag", "HEAD", tagged, accept),
        Endpoint("GET manifest by tag", "GET", tagged, accept),
        Endpoint("GET manifest by digest", "GET", digested, accept),
        Endpoint("HEAD blob", "HEAD", blob),
        Endpoint("GET blob of 2 KiB", "GET", blob),
    ]


def _push_small(connection: Connection, content: bytes) -> None:
    location = connection.ask("POST", "/v2/bench/small/blobs/uploads/").location
    mark = "&" if "?" in location else "?"
    answer = connection.ask("PUT", f"{location}{mark}digest={_digest(content)}", content)
    if answer.status != 201:
        raise BenchmarkError(f"a small blob was refused: {answer.status} {answer.body!r}")


def _descriptor(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
