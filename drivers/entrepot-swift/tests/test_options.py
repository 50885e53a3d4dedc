"""What a configuration may say, and which request for a token comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from keystone_fake import KEYSTONE, PASSWORD
from pydantic import ValidationError
from swift_fake import SWIFT, SwiftFake

from entrepot.core import AccessError
from entrepot.core.testing.material import get, put
from entrepot_swift import SwiftOptions
from entrepot_swift.opening import opened

pytestmark = pytest.mark.anyio
LEAST = {
    "authurl": f"{KEYSTONE}/v3",
    "username": "someone",
    "password": PASSWORD,
    "container": "images",
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"authurl": "keystone.test/v3"}, "begins with http"),
        ({"container": "images/more"}, "prefix"),
        ({"container": ""}, "container"),
        ({"username": ""}, "username and password"),
        ({"password": ""}, "username and password"),
        ({"applicationcredentialid": "id"}, "not both"),
        ({"chunksize": 1024}, "chunksize"),
        ({"endpointtype": "private"}, "endpointtype"),
        ({"authversion": 4}, "authversion"),
        ({"tempurlmethods": ["TRACE"]}, "tempurlmethods"),
    ],
)
def test_mistake(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as raised:
        SwiftOptions.model_validate(LEAST | changes)

    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize(
    ("authurl", "authversion", "version"),
    [
        ("http://a/auth/v1.0", 0, 1),
        ("http://a/v2.0/", 0, 2),
        ("http://a/identity/v3", 0, 3),
        ("http://a/identity", 3, 3),
        ("http://a/identity", 0, 0),
    ],
)
def test_version(authurl: str, authversion: int, version: int) -> None:
    options = SwiftOptions.model_validate(LEAST | {"authurl": authurl, "authversion": authversion})

    assert options.version == version


def test_methods_as_distribution_and_as_a_variable_have_them() -> None:
    for given in (["get", "HEAD"], "GET, head"):
        options = SwiftOptions.model_validate(LEAST | {"tempurlmethods": given})

        assert options.tempurlmethods == ("GET", "HEAD")


def test_secrets_are_shown_to_nobody() -> None:
    names = ("password", "secretkey", "accesskey")
    options = SwiftOptions.model_validate(LEAST | dict.fromkeys(names, "hide this"))

    assert "hide this" not in f"{options!r} {options} {options.model_dump_json()}"


DOMAIN = {"name": "Default"}
USER = {"name": "someone", "password": PASSWORD, "domain": DOMAIN}
SCOPES: list[tuple[dict[str, str], dict[str, Any], dict[str, Any]]] = [
    ({"tenant": "p"}, DOMAIN, {"project": {"name": "p", "domain": DOMAIN}}),
    ({"tenantid": "1"}, DOMAIN, {"project": {"id": "1"}}),
    (
        {"tenant": "p", "domain": "d"},
        {"name": "d"},
        {"project": {"name": "p", "domain": {"name": "d"}}},
    ),
    (
        {"tenant": "p", "domainid": "2", "tenantdomain": "e"},
        {"id": "2"},
        {"project": {"name": "p", "domain": {"name": "e"}}},
    ),
    (
        {"tenant": "p", "domain": "d", "tenantdomainid": "3"},
        {"name": "d"},
        {"project": {"name": "p", "domain": {"id": "3"}}},
    ),
    ({"trustid": "4", "tenant": "p"}, DOMAIN, {"OS-TRUST:trust": {"id": "4"}}),
]


@pytest.mark.parametrize(("changes", "domain", "scope"), SCOPES)
async def test_third_version(
    fake: SwiftFake, changes: dict[str, str], domain: dict[str, str], scope: dict[str, Any]
) -> None:
    async with opened(fake.options(**{"tenant": ""} | changes), fake.transport):
        pass

    user = USER | {"domain": domain}
    identity = {"methods": ["password"], "password": {"user": user}}
    assert fake.keystone.asked == [{"identity": identity, "scope": scope}]


async def test_application_credential(fake: SwiftFake) -> None:
    credential = {"id": "5", "secret": PASSWORD}
    options = fake.options(
        username="",
        password="",
        tenant="",
        applicationcredentialid="5",
        applicationcredentialsecret=PASSWORD,
    )
    async with opened(options, fake.transport) as driver:
        await put(driver, "a", b"content")

    method = "application_credential"
    assert fake.keystone.asked == [{"identity": {"methods": [method], method: credential}}]


@pytest.mark.parametrize(
    ("changes", "tenant"),
    [({"tenant": "p"}, {"tenantName": "p"}), ({"tenant": "", "tenantid": "1"}, {"tenantId": "1"})],
)
async def test_second_version(
    fake: SwiftFake, changes: dict[str, str], tenant: dict[str, str]
) -> None:
    options = fake.options(authurl=f"{KEYSTONE}/v2.0", endpointtype="internal", **changes)
    async with opened(options, fake.transport) as driver:
        await put(driver, "a", b"content")
        link = await driver.link("a", "GET", 60)

    named = {"username": "someone", "password": PASSWORD}
    assert fake.keystone.asked == [{"passwordCredentials": named} | tenant]
    assert link is not None
    assert link.startswith("https://public.test/v1/AUTH_project/images/some/where/files/a?")


async def test_second_version_with_the_key_of_an_api(fake: SwiftFake) -> None:
    fake.keystone.wants_api_key = True
    options = fake.options(authurl=f"{KEYSTONE}/v2.0", endpointtype="internal")
    async with opened(options, fake.transport) as driver:
        await put(driver, "a", b"content")

        assert await get(driver, "a") == b"content"


async def test_first_version(fake: SwiftFake) -> None:
    async with opened(fake.options(authurl=f"{KEYSTONE}/auth/v1.0"), fake.transport) as driver:
        await put(driver, "a", b"content")

        assert await get(driver, "a") == b"content"
    assert fake.keystone.asked[0]["x-auth-user"] == "someone"


async def test_third_version_as_distributions_pages_name_it(fake: SwiftFake) -> None:
    async with opened(fake.options(authurl=f"{KEYSTONE}/v3/auth/"), fake.transport):
        assert len(fake.keystone.asked) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "hide this"}, "refuses 'someone'"),
        ({"password": "hide this", "authurl": f"{KEYSTONE}/v2.0"}, "refuses 'someone'"),
        ({"region": "nowhere"}, "in the region nowhere"),
        ({"tenant": ""}, "no public endpoint"),
        ({"authurl": f"{KEYSTONE}/identity", "authversion": 3}, "no identity service"),
        ({"authurl": f"{KEYSTONE}/identity"}, "set `authversion`"),
        ({"authurl": f"{KEYSTONE}/auth/v1.0", "authversion": 3}, "no identity service"),
        ({"authurl": f"{SWIFT}/v3"}, "v3"),
    ],
)
async def test_wrong_identity(fake: SwiftFake, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(AccessError, match=said) as raised:
        async with opened(fake.options(**changes), fake.transport):
            pass

    assert "hide this" not in str(raised.value)
