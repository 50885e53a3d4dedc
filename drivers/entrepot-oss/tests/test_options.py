"""What a configuration may say, where requests go then, and whose keys they are signed with."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx2
import pytest
from oss_fake import OssFake
from oss_material import MakeOptions
from pydantic import ValidationError

from entrepot.core import AccessError, UnavailableError
from entrepot.core.testing.material import content, keys, pieces, put
from entrepot_oss import OssOptions
from entrepot_oss.credentials import InstanceRole, Keys, lasting
from entrepot_oss.opening import opened
from entrepot_oss.options import MIB
from entrepot_oss.places import place_of, public_place_of

pytestmark = pytest.mark.anyio
LEAST = {
    "accesskeyid": "id",
    "accesskeysecret": "hide this",
    "region": "oss-cn-hangzhou",
    "bucket": "images",
}
AT = "oss-cn-hangzhou"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"accesskeyid": ""}, "belong together"),
        ({"accesskeysecret": ""}, "belong together"),
        ({"securitytoken": "t", "accesskeyid": "", "accesskeysecret": ""}, "securitytoken"),
        ({"ramrole": "registry"}, "not both"),
        ({"encryptionkeyid": "key"}, "encrypt: true"),
        ({"region": "oss-cn-hangzhou.aliyuncs.com"}, "like cn-hangzhou"),
        ({"region": ""}, "like cn-hangzhou"),
        ({"bucket": "images/folder"}, "rootdirectory"),
        ({"endpoint": "ftp://a"}, "endpoint"),
        ({"endpoint": "https://a/b"}, "scheme and host only"),
        ({"redirectendpoint": "https://user@a"}, "scheme and host only"),
        ({"chunksize": MIB}, "chunksize"),
        ({"signatureversion": 2}, "signatureversion"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_mistake(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as raised:
        OssOptions.model_validate(LEAST | changes)

    assert "hide this" not in str(raised.value)


def test_parameters_of_distribution() -> None:
    """All that its version 2 has, as its page shows them."""
    given = {
        "internal": True,
        "encrypt": True,
        "encryptionkeyid": "key",
        "secure": True,
        "chunksize": 10 * MIB,
        "rootdirectory": "/some/where/",
        "endpoint": f"images.{AT}.aliyuncs.com",
    }

    options = OssOptions.model_validate(LEAST | given)

    assert options.rootdirectory == "some/where"
    assert options.region == "cn-hangzhou"
    assert place_of(options).host == f"images.{AT}.aliyuncs.com"


@pytest.mark.parametrize(
    ("changes", "here", "public"),
    [
        ({}, f"https://images.{AT}.aliyuncs.com/k", f"https://images.{AT}.aliyuncs.com/k"),
        (
            {"internal": True},
            f"https://images.{AT}-internal.aliyuncs.com/k",
            f"https://images.{AT}.aliyuncs.com/k",
        ),
        (
            {"endpoint": f"{AT}-internal.aliyuncs.com", "secure": False},
            f"http://images.{AT}-internal.aliyuncs.com/k",
            f"http://images.{AT}.aliyuncs.com/k",
        ),
        (
            {"internal": True, "redirectendpoint": "https://cdn.example.com"},
            f"https://images.{AT}-internal.aliyuncs.com/k",
            "https://cdn.example.com/k",
        ),
        (
            {"endpoint": "oss.example.com"},
            "https://oss.example.com/k",
            "https://oss.example.com/k",
        ),
        (
            {"endpoint": "http://127.0.0.1:9000"},
            "http://127.0.0.1:9000/images/k",
            "http://127.0.0.1:9000/images/k",
        ),
    ],
)
def test_where_requests_and_clients_go(changes: dict[str, Any], here: str, public: str) -> None:
    options = OssOptions.model_validate(LEAST | changes)

    assert place_of(options).url("k") == here
    assert public_place_of(options).url("k") == public


def test_secrets_are_shown_to_nobody() -> None:
    options = OssOptions.model_validate(LEAST | {"securitytoken": "hide this"})

    assert "hide this" not in f"{options!r} {options} {options.model_dump_json()}"
    assert "hide this" not in repr(Keys("id", "hide this", "hide this"))


@pytest.mark.parametrize(
    "names",
    [
        ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
        (
            *("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
            "ALIBABA_CLOUD_SECURITY_TOKEN",
        ),
    ],
)
async def test_keys_of_the_environment(names: tuple[str, str, str]) -> None:
    options = OssOptions.model_validate(LEAST | {"accesskeyid": "", "accesskeysecret": ""})

    found = await lasting(options, dict(zip(names, ("id", "secret", "token"), strict=True))).keys()

    assert (found.id, found.secret, found.token) == ("id", "secret", "token")
    with pytest.raises(AccessError, match="OSS_ACCESS_KEY_ID"):
        lasting(options, {})


class Metadata:
    """The service that tells an instance the keys of its role."""

    def __init__(self, life: float) -> None:
        self.life = life
        self.asked = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "PUT":
            return httpx2.Response(200, text="session")
        if request.headers.get("X-aliyun-ecs-metadata-token") != "session":
            return httpx2.Response(403)
        if not request.url.path.endswith("/security-credentials/registry"):
            return httpx2.Response(404)
        self.asked += 1
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.life))
        said = {"AccessKeyId": f"STS.{self.asked}", "AccessKeySecret": "s", "SecurityToken": "t"}
        return httpx2.Response(200, json={**said, "Expiration": ends, "Code": "Success"})


async def test_keys_of_the_instance_are_renewed_before_they_end() -> None:
    metadata = Metadata(life=3600.0)
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(metadata)) as http:
        role = InstanceRole(http, "registry")
        first, again = await role.keys(), await role.keys()
        metadata.life = 60.0
        assert role.refuse(first)
        short, renewed = await role.keys(), await role.keys()

        assert [each.id for each in (first, again, short, renewed)] == [
            *("STS.1", "STS.1", "STS.2", "STS.3")
        ]
        with pytest.raises(AccessError, match="no RAM role 'other'"):
            await InstanceRole(http, "other").keys()


async def test_metadata_service_that_is_not_there() -> None:
    """Many wait for one answer, and for its failure."""
    asked = list[httpx2.Request]()

    async def refuse(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        await asyncio.sleep(0)
        raise httpx2.ConnectError("no route", request=request)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(refuse)) as http:
        role = InstanceRole(http, "registry")
        outcomes = await asyncio.gather(*(role.keys() for _ in range(9)), return_exceptions=True)

    assert {type(each) for each in outcomes} == {UnavailableError}
    assert "metadata" in str(outcomes[0])
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("changes", "method", "key"),
    [
        ({}, None, None),
        ({"encrypt": True}, "AES256", None),
        ({"encrypt": True, "encryptionkeyid": "a-key"}, "KMS", "a-key"),
    ],
)
async def test_all_that_makes_objects_has_them_encrypted(
    fake: OssFake,
    options: MakeOptions,
    bucket: str,
    changes: dict[str, Any],
    method: str | None,
    key: str | None,
) -> None:
    async with opened(options(chunksize=5 * MIB, **changes), fake.transport) as driver:
        await put(driver, "small", b"content")
        await put(driver, "large", content(6 * MIB))
        await driver.copy("small", "copy")
        upload = driver.upload("u")
        await upload.append(pieces(content(2 * MIB)), 0)
        await upload.commit("uploaded", 2 * MIB)
        assert await keys(driver) == ["copy", "large", "small", "uploaded"]

    found = fake.buckets[bucket].objects.values()
    assert {each.headers.get("x-oss-server-side-encryption") for each in found} == {method}
    name = "x-oss-server-side-encryption-key-id"
    assert {each.headers.get(name) for each in found} == {key}
