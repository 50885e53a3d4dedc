"""Notifications of a running server: nothing acknowledged is lost, whatever is killed."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import httpx2
import pytest
from tests.real.programs import run
from tests.real.registry import hexadecimal
from tests.real.servers import Server, StartEntrepot
from tests.real.webhook import Webhook, make_webhook

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = b"{}"
CONTENT = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": hexadecimal(CONFIG),
            "size": len(CONFIG),
        },
        "layers": [],
    }
).encode()


@pytest.fixture
def webhook(tmp_path: Path) -> Generator[Webhook, None, None]:
    webhook = make_webhook(tmp_path).start()
    yield webhook
    webhook.kill()


def settings(webhook: Webhook, folder: Path, *names: str, **http: object) -> dict[str, object]:
    endpoints = [
        {"name": name, "url": f"{webhook.url}/{name}", "threshold": 3, "backoff": "50ms"}
        for name in names or ("hook",)
    ]
    notifications = {"outbox": {"path": str(folder / "outbox")}, "endpoints": endpoints}
    return {"notifications": notifications, "http": http, "log": {"accesslog": {"disabled": True}}}


def push_config(url: str) -> None:
    address = f"{url}/v2/app/blobs/uploads/?digest={hexadecimal(CONFIG)}"
    assert httpx2.post(address, content=CONFIG).status_code == 201


def push(connection: HTTPConnection, tag: str) -> bool:
    """Whether a push was acknowledged."""
    headers = {"Content-Type": MANIFEST}
    try:
        connection.request("PUT", f"/v2/app/manifests/{tag}", CONTENT, headers)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, HTTPException):
        return False
    assert answer.status == 201, text
    return True


def test_receiver_killed_in_the_middle_of_a_thousand_events(
    entrepot_server: StartEntrepot, webhook: Webhook, tmp_path: Path
) -> None:
    config = settings(webhook, tmp_path, "one", "batches")
    config["notifications"]["endpoints"][1]["batch"] = 20  # type: ignore[index]
    server = entrepot_server(config)
    push_config(server.url)
    happened: list[tuple[str, str]] = []

    with closing(HTTPConnection(server.address)) as connection:
        for number in range(500):
            if number in (100, 300):
                webhook.kill()
            if number in (200, 400):
                webhook.start()
            assert push(connection, f"t{number}")
            connection.request("HEAD", f"/v2/app/manifests/t{number}")
            assert connection.getresponse().read() == b""
            happened += [("push", f"t{number}"), ("pull", f"t{number}")]

    for path in ("/one", "/batches"):
        webhook.until_happened(len(happened), path)
        assert webhook.happened(path) == happened
    assert {taken["at_once"] for taken in webhook.taken()} <= {1, 2}  # one for each endpoint


def test_registry_killed_again_and_again(
    entrepot_server: StartEntrepot, webhook: Webhook, tmp_path: Path
) -> None:
    server = entrepot_server(settings(webhook, tmp_path))
    push_config(server.url)
    acknowledged: list[str] = []
    asked = 0
    chance = random.Random(22)

    for _ in range(4):
        killing = threading.Timer(chance.uniform(0.1, 0.6), server.kill)
        with closing(HTTPConnection(server.address)) as connection:
            killing.start()
            while push(connection, tag := f"t{asked}"):
                acknowledged.append(tag)
                asked += 1
            asked += 1
        killing.join()
        server.start()
    webhook.until(len(acknowledged))

    assert len(acknowledged) > 20
    came = webhook.tags()
    assert set(acknowledged) <= set(came)
    assert [tag for tag in came if tag in set(acknowledged)] == acknowledged
    ids = {taken["event"]["id"] for taken in webhook.taken() if "tag" in taken["event"]["target"]}
    assert len(ids) == len(came)  # what came twice is the same event


def test_workers_share_an_outbox(
    entrepot_server: StartEntrepot, webhook: Webhook, tmp_path: Path
) -> None:
    server = entrepot_server(settings(webhook, tmp_path, workers=2))
    push_config(server.url)
    tags = [f"t{number}" for number in range(200)]

    def push_some(some: list[str]) -> None:
        for tag in some:  # a new connection each, so that both workers get some
            with closing(HTTPConnection(server.address)) as connection:
                assert push(connection, tag)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push_some, [tags[start::4] for start in range(4)]))
    webhook.until(len(tags))

    came = webhook.tags()
    assert sorted(came) == sorted(tags)
    for start in range(4):
        assert [tag for tag in came if tag in set(tags[start::4])] == tags[start::4]
    os.kill(sender(tmp_path / "outbox"), signal.SIGKILL)
    more = [f"m{number}" for number in range(20)]
    for tag in [*more]:
        with closing(HTTPConnection(server.address)) as connection:
            if not push(connection, tag):  # it was the killed worker's
                more.remove(tag)
    webhook.until(len(tags) + len(more))

    assert set(more) <= set(webhook.tags())
    taken = webhook.taken()
    assert {one["at_once"] for one in taken} == {1}
    assert len({one["event"]["source"]["instanceID"] for one in taken}) >= 2


def sender(outbox: Path) -> int:
    """The process that holds the lock of the endpoint."""
    inode = str((outbox / "hook.lock").stat().st_ino)
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
            return int(fields[4])
    pytest.fail("nobody sends")


def test_what_waits_is_listed_and_sent_again(
    entrepot_server: StartEntrepot, tmp_path: Path
) -> None:
    """An outage that ends in a dead letter, and its replay, with the command line."""
    webhook = make_webhook(tmp_path)
    config = settings(webhook, tmp_path)
    config["notifications"]["endpoints"][0]["maxage"] = "1s"  # type: ignore[index]
    server = entrepot_server(config)
    push_config(server.url)
    with closing(HTTPConnection(server.address)) as connection:
        assert push(connection, "late")

    output = next(one for one in outputs(server, "list") if "older than 1 s" in one)
    assert "hook" in output
    assert "push" in output
    assert "app:late" in output
    webhook.start()
    assert next(outputs(server, "replay")) == "2 event(s) wait again\n"
    webhook.until(1)
    webhook.kill()

    assert webhook.tags() == ["late"]


def outputs(server: Server, command: str) -> Iterator[str]:
    """What a command says, again and again for a while."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        yield run(*server.command, "notifications", command, server.config_file)
        time.sleep(0.2)
    pytest.fail(f"`{command}` does not say what it should:\n{server.log_tail()}")
