"""Links: who may use them, for what and for how long."""

from __future__ import annotations

import time

import httpx2
import pytest
from oss_fake import OssFake
from oss_material import MakeOptions
from oss_signatures import Account

from entrepot.core.testing.material import put
from entrepot_oss.credentials import Keys, Lasting
from entrepot_oss.opening import opened
from entrepot_oss.signing import signer_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("version", [1, 4])
@pytest.mark.parametrize("token", ["", "a+token/="])
async def test_link_is_good_for_its_method_and_object(
    fake: OssFake, options: MakeOptions, version: int, token: str
) -> None:
    fake.accounts.append(Account("STS.id", "hide this", token))
    given = {"accesskeyid": "STS.id", "accesskeysecret": "hide this", "securitytoken": token}
    made = options(signatureversion=version, **given)
    async with opened(made, fake.transport) as driver:
        await put(driver, "a/b", b"content")
        await put(driver, "a/c", b"of another")
        link, head = await driver.link("a/b", "GET", 60), await driver.link("a/b", "HEAD", 60)
    assert link is not None
    assert head is not None

    with httpx2.Client(transport=fake.transport) as http:
        whole, told = http.get(link), http.head(head)
        part = http.get(link, headers={"Range": "bytes=1-3"})
        refused = [
            http.head(link),
            http.put(link, content=b"x"),
            http.get(link.replace("/b?", "/c?")),
        ]

    assert whole.content == b"content"
    assert (part.status_code, part.content) == (206, b"ont")
    assert told.headers["Content-Length"] == "7"
    assert [answer.status_code for answer in refused] == [403] * 3
    assert "hide this" not in link


@pytest.mark.parametrize("version", [1, 4])
async def test_link_ends(fake: OssFake, options: MakeOptions, version: int) -> None:
    made = options(signatureversion=version)
    async with opened(made, fake.transport) as driver:
        await put(driver, "a", b"content")
        place = driver.public
    keys = Keys(made.accesskeyid, made.accesskeysecret.get_secret_value())
    name = f"{made.rootdirectory}/a"
    begun = time.time() - 100

    with httpx2.Client(transport=fake.transport) as http:
        over, good = (
            http.get(signer_of(version).link("GET", place, name, keys, begun, seconds))
            for seconds in (90, 110)
        )

    assert (over.status_code, good.status_code) == (403, 200)
    assert "expired" in over.text


async def test_link_lasts_no_longer_than_its_key(fake: OssFake, options: MakeOptions) -> None:
    async with opened(options(), fake.transport) as driver:
        driver.credentials = Lasting(Keys("STS.id", "s", "t", time.time() + 50.5))

        link = await driver.link("a", "GET", 3600)

    assert link is not None
    assert httpx2.URL(link).params["x-oss-expires"] in {"49", "50"}


async def test_clients_are_sent_to_the_public_endpoint(
    fake: OssFake, options: MakeOptions, bucket: str
) -> None:
    """Though the registry uses the internal one, which clients cannot reach."""
    async with opened(options(internal=True, endpoint=""), fake.transport) as driver:
        await put(driver, "a", b"content")
        link = await driver.link("a", "GET", 60)

    hosts = {seen.headers["host"] for seen in fake.seen}
    assert hosts == {f"{bucket}.oss-cn-test-internal.aliyuncs.com"}
    assert link is not None
    assert httpx2.URL(link).host == f"{bucket}.oss-cn-test.aliyuncs.com"
    with httpx2.Client(transport=fake.transport) as http:
        assert http.get(link).content == b"content"
