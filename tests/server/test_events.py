"""Events: one for each thing that happens, told when it is durable, to those who listen."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.server.conftest import MANIFEST_TYPE, Pusher, sha
from tests.server.listening_plugin import Observed, client_with, plugins_with

from entrepot.core.events import Event, Target
from entrepot.core.manifest import OCI_INDEX
from entrepot.core.names import RepositoryName, Tag
from entrepot.core.registry import Registry

BLOB = b"{}"
BLOB_DIGEST = sha(BLOB)
BASE = "http://registry.test/v2/team/app"
OBSERVERS = "[{name: seen}]"


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def client(events: list[Event]) -> Generator[TestClient, None, None]:
    async def observe(event: Event) -> None:
        events.append(event)

    plugins = plugins_with({"seen": Observed(observe)})
    with client_with(plugins, NOTIFICATIONS_OBSERVERS=OBSERVERS) as client:
        yield client


@pytest.fixture
def push(client: TestClient) -> Pusher:
    return Pusher(client)


def told(events: list[Event]) -> list[tuple[str, Target]]:
    """What was told since the last time."""
    found: list[tuple[str, Target]] = [(event.action, event.target) for event in events]
    events.clear()
    return found


def blob_target(**more: Any) -> Target:
    return Target(
        "team/app",
        BLOB_DIGEST,
        "application/octet-stream",
        len(BLOB),
        url=f"{BASE}/blobs/{BLOB_DIGEST}",
        **more,
    )


@pytest.fixture
def pushed(push: Pusher, events: list[Event]) -> tuple[str, bytes]:
    image = push.image("team/app", "1")
    events.clear()
    return image


def image_target(image: tuple[str, bytes], events: list[Event], tag: str = "") -> Target:
    """What an event of an image says, its references taken from the event."""
    digest, content = image
    return Target(
        "team/app",
        digest,
        MANIFEST_TYPE,
        len(content),
        tag,
        f"{BASE}/manifests/{digest}",
        artifact_type="application/vnd.oci.image.config.v1+json",
        references=events[-1].target.references,
    )


def test_push_of_a_blob_at_once(push: Pusher, events: list[Event]) -> None:
    push.blob("team/app", BLOB)

    assert told(events) == [("push", blob_target())]


def test_push_of_a_blob_in_chunks(client: TestClient, events: list[Event]) -> None:
    location = client.post("/v2/team/app/blobs/uploads/").headers["Location"]
    location = client.patch(location, content=BLOB[:1]).headers["Location"]
    assert not events

    client.put(f"{location}&digest={BLOB_DIGEST}", content=BLOB[1:])

    assert told(events) == [("push", blob_target())]


def test_push_of_a_blob_behind_an_opened_upload(client: TestClient, events: list[Event]) -> None:
    location = client.post("/v2/team/app/blobs/uploads/").headers["Location"]

    client.put(f"{location}&digest={BLOB_DIGEST}", content=BLOB)

    assert told(events) == [("push", blob_target())]


def test_mount(client: TestClient, push: Pusher, events: list[Event]) -> None:
    push.blob("other", BLOB)
    events.clear()

    client.post(f"/v2/team/app/blobs/uploads/?mount={BLOB_DIGEST}&from=other")
    client.post(f"/v2/team/app/blobs/uploads/?mount={sha(b'not there')}&from=other")

    assert told(events) == [("mount", blob_target(from_repository="other"))]


def test_push_of_an_image(push: Pusher, events: list[Event]) -> None:
    image = push.image("team/app", "1")

    target = image_target(image, events, "1")
    assert told(events)[1:] == [("push", target)]
    assert [one.digest for one in target.references] == [BLOB_DIGEST]


def test_push_of_an_index_says_what_it_names(
    push: Pusher, pushed: tuple[str, bytes], events: list[Event]
) -> None:
    child = f'{{"mediaType":"{MANIFEST_TYPE}","digest":"{pushed[0]}","size":1}}'
    content = f'{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{child}]}}'.encode()

    push.manifest("team/app", "all", content, OCI_INDEX)

    assert events[-1].target.media_type == OCI_INDEX
    assert [one.digest for one in events[-1].target.references] == [pushed[0]]


def test_push_with_several_tags_is_told_once_for_each(
    client: TestClient, pushed: tuple[str, bytes], events: list[Event]
) -> None:
    url = f"/v2/team/app/manifests/{pushed[0]}"
    client.put(f"{url}?tag=a&tag=b", content=pushed[1], headers={"Content-Type": MANIFEST_TYPE})

    assert [(event.action, event.target.tag) for event in events] == [("push", "a"), ("push", "b")]
    assert len({event.id for event in events}) == 2
    assert len({event.source.id for event in events}) == 1


def test_push_by_digest_has_no_tag(
    push: Pusher, pushed: tuple[str, bytes], events: list[Event]
) -> None:
    push.manifest("team/app", pushed[0], pushed[1])

    assert told(events[:]) == [("push", image_target(pushed, events))]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_pull_of_an_image(
    client: TestClient, pushed: tuple[str, bytes], events: list[Event], method: str
) -> None:
    for reference in ("1", pushed[0]):
        client.request(method, f"/v2/team/app/manifests/{reference}")

    assert told(events[:]) == [
        ("pull", image_target(pushed, events, "1")),
        ("pull", image_target(pushed, events)),
    ]
    assert {event.source.method for event in events} == {method}


@pytest.mark.usefixtures("pushed")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_pull_of_a_blob(client: TestClient, events: list[Event], method: str) -> None:
    client.request(method, f"/v2/team/app/blobs/{BLOB_DIGEST}")

    assert told(events) == [("pull", blob_target())]


@pytest.mark.usefixtures("pushed")
def test_pull_of_a_part(client: TestClient, events: list[Event]) -> None:
    url = f"/v2/team/app/blobs/{BLOB_DIGEST}"
    assert client.get(url, headers={"Range": "bytes=1-1"}).status_code == 206

    assert told(events) == [("pull", blob_target())]


def test_what_is_not_pulled_is_not_told(
    client: TestClient, pushed: tuple[str, bytes], events: list[Event]
) -> None:
    blob, image = f"/v2/team/app/blobs/{BLOB_DIGEST}", "/v2/team/app/manifests/1"
    known = {"If-None-Match": f'"{BLOB_DIGEST}", "{pushed[0]}"'}
    statuses = [
        client.get(blob, headers=known).status_code,
        client.get(image, headers=known).status_code,
        client.get(blob, headers={"Range": "bytes=9-10"}).status_code,
        client.get(f"/v2/team/app/blobs/{sha(b'no')}").status_code,
        client.get("/v2/team/app/manifests/none").status_code,
        client.get("/v2/team/app/tags/list").status_code,
        client.get("/v2/_catalog").status_code,
        client.get("/v2/").status_code,
        client.put("/v2/team/app/manifests/1", content=b"{").status_code,
        client.delete("/v2/team/app/manifests/none").status_code,
        client.delete(f"/v2/team/app/blobs/{sha(b'no')}").status_code,
    ]

    assert statuses == [304, 304, 416, 404, 404, 200, 200, 200, 400, 404, 404]
    assert not events


@pytest.mark.usefixtures("pushed")
def test_deletion_of_a_tag(client: TestClient, events: list[Event]) -> None:
    client.delete("/v2/team/app/manifests/1")

    assert told(events) == [("delete", Target("team/app", tag="1"))]


def test_deletion_of_an_image_is_told_of_it_and_of_each_tag(
    client: TestClient, push: Pusher, pushed: tuple[str, bytes], events: list[Event]
) -> None:
    push.manifest("team/app", "2", pushed[1])
    events.clear()

    client.delete(f"/v2/team/app/manifests/{pushed[0]}")

    assert told(events[:1]) == [("delete", Target("team/app", pushed[0]))]
    assert sorted(event.target.tag for event in events[1:]) == ["1", "2"]
    assert {event.target.digest for event in events[1:]} == {""}


@pytest.mark.usefixtures("pushed")
def test_deletion_of_a_blob(client: TestClient, events: list[Event]) -> None:
    client.delete(f"/v2/team/app/blobs/{BLOB_DIGEST}")

    assert told(events) == [("delete", Target("team/app", BLOB_DIGEST))]


@pytest.mark.usefixtures("pushed")
def test_request_is_named(client: TestClient, events: list[Event]) -> None:
    client.get("/v2/team/app/manifests/1", headers={"User-Agent": "x" * 5000})

    source = events[0].source
    assert UUID(source.id)
    assert UUID(events[0].id) != UUID(source.id)
    assert (source.method, source.host) == ("GET", "registry.test")
    assert source.user_agent == "x" * 1024
    assert re.fullmatch(r"testclient:\d+", source.address)


def test_urls_are_those_that_clients_get(events: list[Event]) -> None:
    async def observe(event: Event) -> None:
        events.append(event)

    plugins = plugins_with({"seen": Observed(observe)})
    variables = {"HTTP_HOST": "https://hub.example", "HTTP_PREFIX": "/r/"}
    with client_with(plugins, NOTIFICATIONS_OBSERVERS=OBSERVERS, **variables) as client:
        url = f"/r/v2/a/blobs/uploads/?digest={BLOB_DIGEST}"
        location = client.post(url, content=BLOB).headers["Location"]

    assert events[0].target.url == location == f"https://hub.example/r/v2/a/blobs/{BLOB_DIGEST}"


def registry_of(client: TestClient) -> Registry:
    app = client.app
    assert isinstance(app, Starlette)
    found = vars(app.router.default)["registry"]
    assert isinstance(found, Registry)
    return found


def test_push_is_told_when_its_tag_exists() -> None:
    found: list[object] = []

    async def observe(event: Event) -> None:
        if event.target.tag:
            repository = registry_of(opened).repository(RepositoryName.parse("team/app"))
            found.append(await repository.tags.find(Tag(event.target.tag)))

    plugins = plugins_with({"seen": Observed(observe)})
    with client_with(plugins, NOTIFICATIONS_OBSERVERS=OBSERVERS) as opened:
        digest, _ = Pusher(opened).image("team/app", "1")

    assert [str(one) for one in found] == [digest]


def test_observer_is_open_while_the_registry_serves(events: list[Event]) -> None:
    async def observe(event: Event) -> None:
        events.append(event)

    observer = Observed(observe)
    plugins = plugins_with({"seen": observer})
    with client_with(plugins, NOTIFICATIONS_OBSERVERS=OBSERVERS) as client:
        Pusher(client).blob("a", BLOB)
        assert not observer.is_closed

    assert observer.is_closed
    assert len(events) == 1


def test_nobody_listens_and_nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.server.happening.Event", None)
    monkeypatch.setattr("entrepot.server.happening.Target", None)

    with client_with(plugins_with()) as client:
        digest, _ = Pusher(client).image("team/app", "1")
        assert client.get("/v2/team/app/manifests/1").status_code == 200
        assert client.get(f"/v2/team/app/blobs/{BLOB_DIGEST}").status_code == 200
        assert client.delete(f"/v2/team/app/manifests/{digest}").status_code == 202
