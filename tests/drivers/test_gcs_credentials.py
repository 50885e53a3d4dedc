"""How the gcs driver logs in, stays logged in, and signs links."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import google.auth.iam
import pytest
from google.auth.credentials import Credentials
from tests.drivers.gcs_fake import Fake, Fault
from tests.drivers.gcs_keys import ACCOUNT, key_content, private_key, sign
from tests.drivers.gcs_opened import MIB, NO_PATIENCE, driver, fake, open_on

from entrepot.core import AccessError, Driver, UnavailableError
from entrepot.core.testing.material import content, get, put
from entrepot.core.threads import Threads
from entrepot.drivers.gcs.links import Links
from entrepot.drivers.gcs.names import Names

__all__ = ["driver", "fake"]
pytestmark = pytest.mark.anyio


@pytest.fixture
def key(fake: Fake) -> dict[str, str]:
    """The account's key; without a token of it the fake refuses everything."""
    fake.needs_token = True
    fake.public_key = private_key().public_key()
    return key_content(f"{fake.url}/token")


def logged_in(key: dict[str, str]) -> dict[str, Any]:
    return {"anonymous": False, "credentials": key}


async def test_inline_credentials(fake: Fake, key: dict[str, str]) -> None:
    async with open_on(fake, **logged_in(key)) as driver:
        await put(driver, "a", content(MIB))
        assert await get(driver, "a") == content(MIB)

    assert fake.tokens_given == 1


async def test_keyfile(fake: Fake, key: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key))

    async with open_on(fake, anonymous=False, keyfile=str(path)) as driver:
        await put(driver, "a")


async def test_credentials_of_the_environment(
    fake: Fake, key: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    async with open_on(fake, anonymous=False) as driver:
        await put(driver, "a")


async def test_token_that_was_revoked_is_replaced_once_for_all(
    fake: Fake, key: dict[str, str]
) -> None:
    async with open_on(fake, **logged_in(key)) as driver:
        await put(driver, "a")
        fake.tokens.clear()

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(driver.stat("a"))

    assert fake.tokens_given == 2


async def test_token_that_ends_soon_is_replaced_beside_the_requests(
    fake: Fake, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrepot.drivers.gcs.credentials._PAUSE", 0.0)
    fake.token_seconds = 500
    async with open_on(fake, **logged_in(key)) as driver:
        fake.token_seconds = 3600
        await put(driver, "a")

        for _ in range(5):
            await driver.stat("a")

    assert fake.tokens_given == 2


async def test_token_server_that_stumbles(fake: Fake, key: dict[str, str]) -> None:
    fake.faults.append(Fault("token", 503))

    async with open_on(fake, **logged_in(key)) as driver:
        await put(driver, "a")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("Invalid JWT: Token must be a short-lived token and in a reasonable timeframe", "clock"),
        ("Invalid JWT Signature", "refuses the credentials"),
    ],
)
async def test_refused_credentials_stop_the_start(
    fake: Fake, key: dict[str, str], answer: str, words: str
) -> None:
    fake.token_error = answer

    with pytest.raises(AccessError, match=words) as raised:
        async with open_on(fake, **logged_in(key)):
            raise AssertionError

    assert "PRIVATE KEY" not in str(raised.value)


async def test_unusable_keyfiles_stop_the_start(fake: Fake, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    for text in ("", "[]", '{"type": "other"}', '{"type": "service_account"}'):
        path.write_text(text)
        with pytest.raises(AccessError, match=r"key\.json is not a service account's key"):
            async with open_on(fake, anonymous=False, keyfile=str(path)):
                raise AssertionError

    with pytest.raises(AccessError, match=r"missing\.json: No such file"):
        async with open_on(fake, anonymous=False, keyfile=str(tmp_path / "missing.json")):
            raise AssertionError


async def test_missing_bucket_stops_the_start(fake: Fake) -> None:
    fake.store.bucket = "another"

    with pytest.raises(AccessError, match=r"bucket bucket at http.*does not exist: create it"):
        async with open_on(fake):
            raise AssertionError


async def test_denied_bucket_stops_the_start(fake: Fake) -> None:
    fake.faults.append(Fault("list", 403, message="no storage.objects.list access"))

    with pytest.raises(AccessError, match=r"no storage\.objects\.list access.*objectUser"):
        async with open_on(fake):
            raise AssertionError


async def test_unreachable_endpoint_stops_the_start(fake: Fake) -> None:
    with pytest.raises(UnavailableError, match=r"cannot connect to 127\.0\.0\.1:9"):
        async with open_on(fake, endpoint="http://127.0.0.1:9"):
            raise AssertionError


async def test_silent_endpoint_stops_the_start(fake: Fake) -> None:
    fake.faults.append(Fault("list", stall=True, times=99))

    with pytest.raises(UnavailableError, match=r"cannot be used|does not answer"):
        async with asyncio.timeout(20), open_on(fake, patience=NO_PATIENCE):
            raise AssertionError


# -- links ----------------------------------------------------------------------------------


async def test_no_link_without_credentials(driver: Driver) -> None:
    assert await driver.link("a", "GET", 60) is None


async def test_link_is_for_its_object_and_method_alone(fake: Fake, key: dict[str, str]) -> None:
    async with open_on(fake, rootdirectory="r", **logged_in(key)) as driver:
        await put(driver, "a/b", b"content")
        await put(driver, "a/c", b"other")
        url = await driver.link("a/b", "GET", 60)

    assert url is not None
    assert await _fetch(url) == b"content"
    for changed in (url.replace("a/b", "a/c"), url.replace("Expires=60", "Expires=61")):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            await _fetch(changed)


async def test_link_goes_to_the_public_endpoint(fake: Fake, key: dict[str, str]) -> None:
    public = "https://objects.example"
    async with open_on(fake, redirectendpoint=public, **logged_in(key)) as driver:
        url = await driver.link("a", "GET", 60)

    assert url is not None
    assert urlsplit(url).netloc == "objects.example"


class AttachedAccount(Credentials):
    """Of a machine: it has a token and a name, but no key."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.service_account_email = ACCOUNT

    def refresh(self, request: object) -> None:
        self.token = "token"


@pytest.fixture
def links(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Links:
    monkeypatch.setattr(google.auth.iam, "_IAM_SIGN_ENDPOINT", f"{fake.url}/sign?name={{}}")
    fake.sign = sign
    fake.public_key = private_key().public_key()
    fake.needs_token = True
    fake.tokens = {"token"}
    return Links(AttachedAccount(), Names("bucket", ""), fake.url, Threads(2))


async def test_google_signs_where_there_is_no_key(fake: Fake, driver: Driver, links: Links) -> None:
    fake.needs_token = False
    await put(driver, "a", b"content")

    first = await links.link("a", "GET", 60)
    again = await links.link("a", "GET", 60)

    assert first is not None
    assert first == again
    assert await _fetch(first) == b"content"
    assert fake.requests["sign"] == 1
    assert await links.link("a", "HEAD", 60) != first


async def test_signer_that_refuses_is_not_asked_again_at_once(fake: Fake, links: Links) -> None:
    fake.faults.append(Fault("sign", 403, times=99))

    assert await links.link("a", "GET", 60) is None
    assert await links.link("b", "GET", 60) is None

    assert fake.requests["sign"] == 1


async def _fetch(url: str) -> bytes:
    def fetch() -> bytes:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bytes(answer.read())

    return await asyncio.to_thread(fetch)
