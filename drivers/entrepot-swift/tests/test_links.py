"""Temporary URLs, and the key that they are signed with."""

from __future__ import annotations

import httpx2
import pytest
from keystone_fake import PASSWORD
from swift_fake import Fault, SwiftFake

from entrepot.core.testing.material import put
from entrepot_swift.opening import opened

pytestmark = pytest.mark.anyio
KEY = "x-container-meta-temp-url-key"


async def fetched(fake: SwiftFake, **changes: object) -> httpx2.Response:
    """What a client without a token gets by a link to `content`."""
    async with opened(fake.options(**changes), fake.transport) as driver:
        await put(driver, "a/b", b"content")
        link = await driver.link("a/b", "GET", 60)
    assert link is not None
    async with httpx2.AsyncClient(transport=fake.transport) as client:
        return await client.get(link)


async def test_key_is_made_out_of_the_credentials(fake: SwiftFake) -> None:
    """So that all replicas have the same, and nobody guesses it."""
    assert (await fetched(fake)).content == b"content"
    made = fake.container_meta["images"][KEY]
    assert PASSWORD not in made

    fake.container_meta.clear()
    await fetched(fake)
    assert fake.container_meta["images"][KEY] == made


async def test_link_to_a_place_whose_name_is_quoted(fake: SwiftFake) -> None:
    """Swift compares signatures of what it sees, and that is not quoted."""
    answer = await fetched(fake, container="some images", prefix="größe/50%25 + more")

    assert answer.content == b"content"


async def test_key_that_is_there_is_used_and_left(fake: SwiftFake) -> None:
    fake.container_meta["images"] = {KEY: "of another program"}

    assert (await fetched(fake)).content == b"content"
    assert fake.container_meta["images"] == {KEY: "of another program"}


async def test_second_key_is_as_good(fake: SwiftFake) -> None:
    fake.container_meta["images"] = {KEY: "first", f"{KEY}-2": "second"}

    assert (await fetched(fake, secretkey="second")).content == b"content"
    assert fake.container_meta["images"][KEY] == "first"


async def test_key_of_the_configuration_is_set(fake: SwiftFake) -> None:
    fake.container_meta["images"] = {KEY: "old"}

    assert (await fetched(fake, secretkey="new")).content == b"content"
    assert fake.container_meta["images"] == {KEY: "new"}


async def test_key_of_the_account_where_containers_have_none(fake: SwiftFake) -> None:
    assert fake.info is not None
    fake.info["swift"]["version"] = "2.2.2"

    assert (await fetched(fake)).content == b"content"
    assert list(fake.account_meta) == ["x-account-meta-temp-url-key"]


async def test_link_for_another_host_and_with_an_access_key(fake: SwiftFake) -> None:
    changes = {"redirectendpoint": "https://cdn.test", "accesskey": "access"}
    async with opened(fake.options(**changes), fake.transport) as driver:
        link = await driver.link("a", "HEAD", 60)

    assert link is not None
    url = httpx2.URL(link)
    assert (url.scheme, url.host) == ("https", "cdn.test")
    assert url.path == "/v1/AUTH_project/images/some/where/files/a"
    assert url.params["temp_url_sig"].startswith("project-id:access:")


async def test_no_links_where_the_key_may_not_be_set(
    fake: SwiftFake, caplog: pytest.LogCaptureFixture
) -> None:
    fake.faults = [
        Fault(lambda request: request.method == "POST" and "v1" in request.url.path, 403)
    ]
    async with opened(fake.options(), fake.transport) as driver:
        assert await driver.link("a", "GET", 60) is None

    assert "clients are not sent to it" in caplog.text
