"""Events as Distribution sends them: the same operations on both, request by request."""

import json
import re
import uuid
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.real.registry import hexadecimal
from tests.real.servers import Server, StartDistribution, StartEntrepot
from tests.real.webhook import Taken, Webhook, make_webhook

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG, LAYER = b"{}", b"a layer"
REPOSITORY = "team/app"

# Where we tell something else, and why:
# - nothing that was not sent is told as pulled: Distribution tells a pull of a blob for 304 and
#   416, too (of manifests it does not);
# - ids are random UUIDs, not time-ordered ones; times have microseconds.
ONLY_DISTRIBUTION = [("GET", "pull", 304), ("GET", "pull", 416)]


@pytest.fixture
def webhook(tmp_path: Path) -> Generator[Webhook, None, None]:
    webhook = make_webhook(tmp_path).start()
    yield webhook
    webhook.kill()


def described(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": hexadecimal(content), "size": len(content)}


IMAGE = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/x.thing",
        "config": described(CONFIG, "application/vnd.oci.image.config.v1+json"),
        "layers": [
            described(LAYER, "application/vnd.oci.image.layer.v1.tar") | {"annotations": {"a": "<"}}
        ],
        "annotations": {"title": "<&>"},
    }
).encode()
LIST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            described(IMAGE, MANIFEST) | {"platform": {"architecture": "amd64", "os": "linux"}}
        ],
    }
).encode()


class Operations:
    """Requests to one registry, whose statuses are looked at."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url)

    def ask(self, method: str, path: str, wanted: int, content: bytes = b"", **more: str) -> str:
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        url = path if "://" in path or path.startswith("/v2/") else f"/v2/{REPOSITORY}/{path}"
        answer = self.http.request(method, url, content=content, headers=headers)
        assert answer.status_code == wanted, (method, path, answer.status_code, answer.text)
        return str(answer.headers.get("Location", ""))

    def all(self) -> None:
        with self.http:
            self._all()

    def _all(self) -> None:
        blob, image = hexadecimal(CONFIG), hexadecimal(IMAGE)
        for content in (CONFIG, LAYER):
            location = self.ask("POST", "blobs/uploads/", 202)
            location = self.ask("PATCH", location, 202, content)
            self.ask("PUT", f"{location}&digest={hexadecimal(content)}", 201)
        self.ask("PUT", "manifests/v1", 201, IMAGE, Content_Type=MANIFEST)
        self.ask("PUT", "manifests/v2", 201, IMAGE, Content_Type=MANIFEST)
        self.ask("PUT", f"manifests/{image}", 201, IMAGE, Content_Type=MANIFEST)
        self.ask("PUT", "manifests/all", 201, LIST, Content_Type=INDEX)
        self.ask("GET", "manifests/v1", 200, Accept=MANIFEST, X_Forwarded_For="198.51.100.1, ::1")
        self.ask("HEAD", f"manifests/{image}", 200, Accept=MANIFEST, X_Real_Ip="2001:db8::1")
        self.ask("GET", "manifests/v1", 304, Accept=MANIFEST, If_None_Match=f'"{image}"')
        self.ask("GET", f"blobs/{blob}", 200, X_Forwarded_For="unknown", X_Real_Ip="none")
        self.ask("HEAD", f"blobs/{blob}", 200)
        self.ask("GET", f"blobs/{blob}", 206, Range="bytes=0-0")
        self.ask("GET", f"blobs/{blob}", 304, If_None_Match=f'"{blob}"')
        self.ask("GET", f"blobs/{blob}", 416, Range="bytes=9-10")
        self.ask("POST", f"/v2/other/blobs/uploads/?mount={blob}&from={REPOSITORY}", 201)
        self.ask("DELETE", "manifests/v2", 202)
        self.ask("DELETE", f"manifests/{image}", 202)
        self.ask("DELETE", f"blobs/{blob}", 202)


def settings(webhook: Webhook, path: str, folder: Path | None = None) -> dict[str, object]:
    endpoint = {
        "name": "hook",
        "url": f"{webhook.url}/{path}",
        "headers": {"Authorization": ["Bearer x"]},
    }
    outbox = {"outbox": {"path": str(folder / "outbox")}} if folder else {}
    events = {"includereferences": True}
    return {"notifications": {"events": events, "endpoints": [endpoint]} | outbox}


def generalised(taken: Taken, server: Server) -> Any:
    """An event without what differs from run to run; times and ids are looked at here."""
    event = taken["event"]
    datetime.fromisoformat(event.pop("timestamp"))
    for holder, key in ((event, "id"), (event["request"], "id"), (event["source"], "instanceID")):
        uuid.UUID(holder.pop(key))
    text = json.dumps(event).replace(server.address, "registry")
    return json.loads(
        re.sub(r'"127\.0\.0\.1:\d+"', '"peer"', text).replace(server.address.partition(":")[2], "1")
    )


def shape(taken: Taken) -> str:
    """The text of a body with all values but the structure's made equal."""
    return re.sub(r'("[^"]*": )("(?:[^"\\]|\\.)*"|\d+)', r"\1value", taken["body"])


def test_events_are_those_of_distribution(
    entrepot_server: StartEntrepot,
    distribution: StartDistribution,
    webhook: Webhook,
    tmp_path: Path,
) -> None:
    peer = distribution("3", config=settings(webhook, "peer"))
    ours = entrepot_server(settings(webhook, "ours", tmp_path))
    Operations(peer.url).all()
    Operations(ours.url).all()
    for server in (peer, ours):
        server.stop()  # which delivers what there is

    theirs, mine = webhook.taken("/peer"), webhook.taken("/ours")
    assert len(theirs) == len(mine) + len(ONLY_DISTRIBUTION)
    told = [one["event"]["action"] for one in theirs]
    unsent = told.index("mount") - len(ONLY_DISTRIBUTION)
    del theirs[unsent : unsent + len(ONLY_DISTRIBUTION)]
    assert [shape(one) for one in mine] == [shape(one) for one in theirs]
    names = ("content-type", "authorization", "host")
    assert [[one["headers"][name] for name in names] for one in mine] == [
        [one["headers"][name] for name in names] for one in theirs
    ]
    assert [generalised(one, ours) for one in mine] == [generalised(one, peer) for one in theirs]
