"""Events as text: Distribution's envelope, CloudEvents, one or several in a request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.server.notifications.notifying import running, settings
from tests.server.notifications.receiver import Receiver, status

from entrepot.core.configuration import Http
from entrepot.core.events import Event, Source, Target
from entrepot.core.manifest import Descriptor
from entrepot.server.instance import INSTANCE
from entrepot.server.notifications.forms import (
    CLOUD_EVENT,
    CLOUD_EVENTS,
    ENVELOPE,
    Form,
    Origin,
    request_body,
)

CHILD = Descriptor.model_validate(
    {"mediaType": "a/b", "digest": "sha256:2", "size": 7, "platform": {"os": "linux"}}
)
TARGET = Target(
    "team/app",
    "sha256:1",
    "application/vnd.oci.image.manifest.v1+json",
    120,
    "v1",
    "https://hub/v2/team/app/manifests/sha256:1",
    artifact_type="application/x",
    annotations={"a": "b"},
    references=(CHILD,),
)
SOURCE = Source("r-1", "198.51.100.1", "hub", "PUT", "docker/1 \u201cx\u201d")
PUSH = Event("e-1", 1764038298.246405, "push", TARGET, SOURCE, "ann")
FORM = Form(Origin("host:5000", "i-1"))


def read(form: Form, event: Event) -> dict[str, Any]:
    (found,) = json.loads(request_body(ENVELOPE, [form.for_envelope(event)]))["events"]
    told: dict[str, Any] = found
    return told


def test_envelope() -> None:
    assert read(FORM, PUSH) == {
        "id": "e-1",
        "timestamp": "2025-11-25T02:38:18.246405Z",
        "action": "push",
        "target": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": "sha256:1",
            "size": 120,
            "length": 120,
            "repository": "team/app",
            "url": "https://hub/v2/team/app/manifests/sha256:1",
            "tag": "v1",
        },
        "request": {
            "id": "r-1",
            "addr": "198.51.100.1",
            "host": "hub",
            "method": "PUT",
            "useragent": "docker/1 \u201cx\u201d",
        },
        "actor": {"name": "ann"},
        "source": {"addr": "host:5000", "instanceID": "i-1"},
    }


def test_envelope_of_a_deletion_has_empty_fields() -> None:
    deletion = Event("e", 0.0, "delete", Target("a", tag="t"), Source("r", method="DELETE"))

    told = read(FORM, deletion)

    assert told["target"] == {
        "mediaType": "",
        "digest": "",
        "size": 0,
        "repository": "a",
        "tag": "t",
    }
    assert told["actor"] == {}
    assert told["request"] == {"id": "r", "method": "DELETE", "useragent": ""}
    assert told["timestamp"] == "1970-01-01T00:00:00.000000Z"


def test_envelope_of_a_mount_says_from_where() -> None:
    mount = Event("e", 0.0, "mount", Target("a", "sha256:1", from_repository="b"), Source("r"))

    assert read(FORM, mount)["target"]["fromRepository"] == "b"


def test_references_only_where_they_are_wanted() -> None:
    told = read(Form(FORM.origin, references=True), PUSH)

    assert told["target"]["references"] == [
        {"mediaType": "a/b", "digest": "sha256:2", "size": 7, "platform": {"os": "linux"}}
    ]


def test_envelope_is_indented_as_distribution_does() -> None:
    body = request_body(ENVELOPE, [b'{\n   "id": "1"\n}'])

    assert body == b'{\n   "events": [\n      {\n         "id": "1"\n      }\n   ]\n}'


def test_envelope_of_several_events() -> None:
    body = request_body(ENVELOPE, [FORM.for_envelope(PUSH)] * 3)

    assert [one["id"] for one in json.loads(body)["events"]] == ["e-1"] * 3


def test_cloud_event() -> None:
    written = FORM.cloud_event(PUSH)

    told = json.loads(request_body(CLOUD_EVENT, [written]))
    data = told.pop("data")
    assert told == {
        "specversion": "1.0",
        "id": "e-1",
        "source": "//host:5000",
        "type": "io.entrepot.push",
        "subject": "team/app:v1",
        "time": "2025-11-25T02:38:18.246405Z",
        "datacontenttype": "application/json",
    }
    assert data["target"] == read(FORM, PUSH)["target"] | {"artifactType": "application/x"}
    for key in ("request", "actor", "source"):
        assert data[key] == read(FORM, PUSH)[key]
    assert json.loads(request_body(CLOUD_EVENTS, [written] * 2))[1] == told | {"data": data}


@pytest.mark.parametrize(
    ("target", "subject"),
    [
        (Target("a", "sha256:1", tag="t"), "a:t"),
        (Target("a", "sha256:1"), "a@sha256:1"),
        (Target("a", tag="t"), "a:t"),
    ],
)
def test_subject_of_a_cloud_event(target: Target, subject: str) -> None:
    told = json.loads(FORM.cloud_event(Event("e", 0.0, "pull", target, SOURCE)))

    assert told["subject"] == subject


@pytest.mark.parametrize(
    ("http", "ending"),
    [(Http(addr=":5001"), ":5001"), (Http(net="unix", addr="/run/registry.sock"), "")],
)
def test_origin(http: Http, ending: str) -> None:
    origin = Origin.here(http)

    assert origin.address.endswith(ending)
    assert ":" not in origin.address.removesuffix(ending)
    assert origin.instance == INSTANCE


# -- as they are sent ----------------------------------------------------------------------------


@pytest.mark.anyio
async def test_cloud_events_are_sent_one_by_one(folder: str, receiver: Receiver) -> None:
    async with running(settings(folder, {"url": receiver.url, "format": "cloudevents"})) as it:
        await it.push("1", "2")
        await receiver.until(2)

    assert [json.loads(one.body)["subject"] for one in receiver.requests] == [
        "team/app:1",
        "team/app:2",
    ]
    assert receiver.requests[0].headers["content-type"] == "application/cloudevents+json"


async def in_batches(folder: str, receiver: Receiver, **endpoint: Any) -> list[list[Any]]:
    """The ten pushes of two refused tries and later ones, as lists of what each request had."""
    quiet = {"url": "http://127.0.0.1:1/", "threshold": 1, "backoff": "1h"}
    async with running(settings(folder, quiet | endpoint)) as it:
        await it.push(*[str(number) for number in range(10)])
    receiver.script = [status(500)] * 2
    async with running(settings(folder, {"url": receiver.url} | endpoint)) as it:
        await it.until(successes=10)
    found = [json.loads(one.body) for one in receiver.requests]
    return [one["events"] if isinstance(one, dict) else one for one in found]


@pytest.mark.anyio
async def test_envelopes_hold_several_events_and_one_after_a_failure(
    folder: str, receiver: Receiver
) -> None:
    requests = await in_batches(folder, receiver, batch=4)

    tags = [[event["target"]["tag"] for event in events] for events in requests]
    assert tags == [["0", "1", "2", "3"], ["0"], ["0"], ["1", "2", "3", "4"], [*"5678"], ["9"]]


@pytest.mark.anyio
async def test_cloud_events_in_batches(folder: str, receiver: Receiver) -> None:
    requests = await in_batches(folder, receiver, batch=100, format="cloudevents")

    assert [len(one) for one in requests] == [10, 1, 1, 9]
    assert receiver.requests[0].headers["content-type"] == "application/cloudevents-batch+json"


@pytest.mark.anyio
async def test_events_written_in_another_form_are_sent_in_that(
    folder: str, receiver: Receiver
) -> None:
    quiet = {"url": "http://127.0.0.1:1/", "threshold": 1, "backoff": "1h"}
    async with running(settings(folder, quiet | {"format": "cloudevents"})) as it:
        await it.push("1", "2")
    async with running(settings(folder, {"url": receiver.url, "batch": 10})) as it:
        await it.push("3", "4")
        await it.until(successes=4)

    types = [one.headers["content-type"] for one in receiver.requests]
    assert types[:3] == [CLOUD_EVENT, CLOUD_EVENT, ENVELOPE]


@pytest.mark.anyio
async def test_nobody_is_blamed_for_another_event_of_its_request(
    folder: str, receiver: Receiver
) -> None:
    quiet = {"url": "http://127.0.0.1:1/", "threshold": 1, "backoff": "1h"}
    async with running(settings(folder, quiet | {"batch": 3})) as it:
        await it.push("1", "2", "3")
    receiver.script = [status(400), status(400)]
    endpoint = {"url": receiver.url, "batch": 3, "maxattempts": 1}
    async with running(settings(folder, endpoint)) as it:
        await it.until(successes=2, dead=1)

    tags = [
        [one["target"]["tag"] for one in json.loads(r.body)["events"]] for r in receiver.requests
    ]
    assert tags == [["1", "2", "3"], ["1"], ["2"], ["3"]]
