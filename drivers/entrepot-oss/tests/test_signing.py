"""Signatures as the vendor's own client makes them, and what is refused without a right one."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from oss_fake import OssFake
from oss_material import MakeOptions
from oss_signatures import Account

from entrepot.core import AccessError
from entrepot.core.testing.material import get, put
from entrepot_oss.credentials import Keys
from entrepot_oss.opening import opened
from entrepot_oss.places import Place
from entrepot_oss.signing import signer_of

pytestmark = pytest.mark.anyio
PLACE = Place("https", "images.oss-cn-hangzhou.aliyuncs.com", "/", "images", "cn-hangzhou")
MOMENT = 1796040000.0  # 2026-11-30T12:00:00Z
KEYS = Keys("AKID", "SECRET")
TEMPORARY = Keys("AKID", "SECRET", "TO+K/EN=")
PART = {
    "content-type": "application/octet-stream",
    "x-oss-forbid-overwrite": "true",
    "x-oss-meta-entrepot-write": "mark",
}
LISTING = {
    "list-type": "2",
    "encoding-type": "url",
    "prefix": "some/where",
    "continuation-token": "YQ==",
}
DELETION = {"delete": "", "encoding-type": "url"}
MD5 = {"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}


# Made by alibabacloud-oss-v2 1.4.1.
@pytest.mark.parametrize(
    ("version", "method", "name", "query", "headers", "signature"),
    [
        (
            *(4, "GET", "", LISTING, {}),
            "085719213c41caf89a3f5bb276e079444465e89f00b7bc2bc6e69556bcd1ed87",
        ),
        (
            *(4, "POST", "", DELETION, MD5),
            "c32381b0a166dd1dca0201a35d26c8a7587ceae465a14f93b0584b250d3e5d68",
        ),
        (
            *(1, "PUT", "a/b/data", {"partNumber": "3", "uploadId": "0004B9"}, PART),
            "sgSEA/lkYPI99DOxitLFH9krxNI=",
        ),
        (1, "GET", "", LISTING, {}, "V+LZBNCl8t4xJzrz1aS34P1anTU="),
        (1, "POST", "", DELETION, MD5, "DX9UMICIgIK6oWx6Idz6EidEDG8="),
    ],
)
def test_signature_of_a_request(
    version: int,
    method: str,
    name: str,
    query: dict[str, str],
    headers: dict[str, str],
    signature: str,
) -> None:
    made = signer_of(version).sign(method, PLACE, name, query, headers, KEYS, MOMENT)

    assert made["authorization"].endswith(signature)


def test_signature_with_a_token() -> None:
    query, keys = {"partNumber": "3", "uploadId": "0004B9"}, Keys("AKID", "SECRET", "TOKEN")

    made = signer_of(4).sign("PUT", PLACE, "a/b/data", query, PART, keys, MOMENT)

    assert made["authorization"] == (
        "OSS4-HMAC-SHA256 Credential=AKID/20261130/cn-hangzhou/oss/aliyun_v4_request,"
        "Signature=ca7de29326d5b69eb205245cec914a42b5acb9d18e85aa6ad09a8cef1e956d29"
    )


@pytest.mark.parametrize(
    ("version", "method", "keys", "signature"),
    [
        *(
            (4, "GET", TEMPORARY, each)
            for each in ("a15cf1ee96f9a542768b2957db10fd6a07a97ac4295b8f0e94b15fa03a15c632",)
        ),
        *(
            (4, "HEAD", KEYS, each)
            for each in ("d7f1286932efe27adf69468843dc66f077de40dd25ec209bd7ce15732c348b78",)
        ),
        (1, "GET", TEMPORARY, "yQgVNX9DFom68cKy2h1SJ%2Fv5dNw%3D"),
        (1, "HEAD", KEYS, "lOx7awR1BPuE3D9jXwomyYCCy5w%3D"),
    ],
)
def test_signature_of_a_link(version: int, method: str, keys: Keys, signature: str) -> None:
    link = signer_of(version).link(method, PLACE, "a/b/data", keys, MOMENT, 600)

    assert link.startswith("https://images.oss-cn-hangzhou.aliyuncs.com/a/b/data?")
    assert f"ignature={signature}" in urlsplit(link).query


@pytest.mark.parametrize("version", [1, 4])
async def test_both_versions_with_a_temporary_key(
    fake: OssFake, options: MakeOptions, version: int
) -> None:
    fake.accounts.append(Account("STS.id", "sts secret", "a+token/="))
    given = {"accesskeyid": "STS.id", "accesskeysecret": "sts secret", "securitytoken": "a+token/="}
    made = options(signatureversion=version, **given)
    async with opened(made, fake.transport) as driver:
        await put(driver, "a", b"content")

        assert await get(driver, "a", 1, 3) == b"on"
    assert fake.seen


@pytest.mark.parametrize("version", [1, 4])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"accesskeysecret": "hide this"}, "accesskeysecret is wrong"),
        ({"accesskeyid": "nobody"}, "does not know the accesskeyid"),
        ({"securitytoken": "hide this"}, "securitytoken is wrong"),
        ({"bucket": "absent"}, "the bucket does not exist"),
    ],
)
async def test_refusal_says_what_to_correct(
    fake: OssFake, options: MakeOptions, version: int, changes: dict[str, str], said: str
) -> None:
    with pytest.raises(AccessError, match=said) as raised:
        async with opened(options(signatureversion=version, **changes), fake.transport):
            pass

    assert "cannot use bucket" in str(raised.value)
    assert "hide this" not in f"{raised.value!r} {raised.value.__cause__!r}"


async def test_bucket_of_another_region(fake: OssFake, options: MakeOptions, bucket: str) -> None:
    with pytest.raises(AccessError, match="correct `region` or `endpoint`"):
        async with opened(options(region="oss-cn-hangzhou"), fake.transport):
            pass
    fake.elsewhere[bucket] = "oss-cn-shenzhen.aliyuncs.com"
    with pytest.raises(AccessError, match="correct `region` or `endpoint`"):
        async with opened(options(), fake.transport):
            pass


async def test_token_that_has_expired(fake: OssFake, options: MakeOptions) -> None:
    fake.accounts.append(Account("STS.id", "sts secret", "token", ends=1.0))
    given = {"accesskeyid": "STS.id", "accesskeysecret": "sts secret", "securitytoken": "token"}
    with pytest.raises(AccessError, match="has expired"):
        async with opened(options(**given), fake.transport):
            pass
