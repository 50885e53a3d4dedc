"""Admissions: plug-ins that let a manifest pass or refuse it, before anything of it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.testclient import TestClient
from tests.core.stores import CONFIG, NAME, chunks, image, open_memory
from tests.server.conftest import Pusher, sha
from tests.server.listening_plugin import Admitted, client_with, plugins_with

from entrepot.core.access import DeniedError
from entrepot.core.admission import Admissions, Push
from entrepot.core.errors import ConfigurationError
from entrepot.core.names import Digest, Tag
from entrepot.core.registry import Rules, open_registry

Admit = Callable[[Push], Awaitable[None]]


async def let_pass(_: Push) -> None:
    """Refuse nothing."""


async def refuse(push: Push) -> None:
    raise DeniedError(f"unsigned: {push.repository}", detail={"tags": list(push.tags)})


async def fail(_: Push) -> None:
    raise RuntimeError("secret: the key is 42")


def opened(admissions: str = "[{name: one}]", **admitting: Admit) -> TestClient:
    plugins = plugins_with(admissions={name: Admitted(admit) for name, admit in admitting.items()})
    return client_with(plugins, POLICY_ADMISSION=admissions)


def pushed(client: TestClient, reference: str = "1") -> tuple[int, str]:
    """Push an image; gives the status, and the answer's text."""
    pusher = Pusher(client)
    pusher.blob("team/app", CONFIG)
    answer = pusher.manifest("team/app", reference, image())
    return answer.status_code, answer.text


def test_admitted() -> None:
    with opened(one=let_pass) as client:
        assert pushed(client)[0] == 201


def test_refused_and_nothing_is_stored() -> None:
    with opened(one=refuse) as client:
        status, text = pushed(client)
        found = client.get("/v2/team/app/manifests/1").status_code
        tags = client.get("/v2/team/app/tags/list").json()

    assert status == 403
    assert text == (
        '{"errors": [{"code": "DENIED", "message": "unsigned: team/app", '
        '"detail": {"tags": ["1"]}}]}\n'
    )
    assert found == 404
    assert not tags.get("tags")


def test_failing_admission_refuses_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with opened(one=fail) as client:
        status, text = pushed(client)

    assert status == 403
    assert "the admission 'one' failed; the registry's log has the cause" in text
    assert "42" not in text
    assert "admission one failed: secret: the key is 42" in caplog.text


@pytest.mark.anyio
async def test_hanging_admission_refuses(caplog: pytest.LogCaptureFixture) -> None:
    async def hang(_: Push) -> None:
        await asyncio.Event().wait()

    admissions = Admissions((("slow", Admitted(hang)),), seconds=0.01)
    async with (
        open_memory() as driver,
        open_registry(driver, Rules(), admissions=admissions) as registry,
    ):
        repository = registry.repository(NAME)
        await repository.blobs.put(Digest.of(CONFIG), chunks(CONFIG))
        with pytest.raises(DeniedError):
            await repository.manifests.put(Tag("1"), image(), None)
        assert not await repository.manifests.has(Digest.of(image()))

    assert "admission slow failed: no answer in 0.01 s" in caplog.text


def test_all_must_admit_in_order() -> None:
    asked: list[str] = []

    async def first(_: Push) -> None:
        asked.append("first")

    async def third(_: Push) -> None:
        asked.append("third")

    listed = "[{name: first}, {name: two}, {name: third}]"
    with opened(listed, third=third, first=first, two=refuse) as client:
        assert pushed(client)[0] == 403

    assert asked == ["first"]


def test_disabled_admission_is_not_asked() -> None:
    with opened("[{name: one, disabled: true}]", one=refuse) as client:
        assert pushed(client)[0] == 201


def test_admission_sees_what_is_pushed() -> None:
    seen: list[Push] = []

    async def admit(push: Push) -> None:
        seen.append(push)

    with opened(one=admit) as client:
        pushed(client, "1")
        pushed(client, f"{sha(image())}?tag=a&tag=b")

    assert [push.tags for push in seen] == [("1",), ("a", "b")]
    assert {push.repository for push in seen} == {"team/app"}
    assert [one.digest for one in seen[0].manifest.blobs] == [sha(CONFIG)]
    assert seen[0].user == ""


def test_admission_is_not_asked_of_what_cannot_be_pushed() -> None:
    seen: list[Push] = []

    async def admit(push: Push) -> None:
        seen.append(push)

    with opened(one=admit) as client:
        pusher = Pusher(client)
        assert pusher.manifest("team/app", "1", b"{").status_code == 400
        missing = image([b"not there"])
        assert pusher.manifest("team/app", "1", missing).status_code == 400

    assert not seen


@pytest.mark.parametrize(
    ("admissions", "told"),
    [
        ("[{name: signed}]", "policy.admission.0.name: no admission named 'signed'"),
        ("[{name: one, options: {wrod: a}}]", "policy.admission.0.options.wrod"),
    ],
)
def test_mistakes_are_told_at_start(admissions: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(admissions, one=let_pass)

    assert told in str(caught.value)
