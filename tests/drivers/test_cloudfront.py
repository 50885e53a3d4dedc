"""The cloudfront middleware: URLs that CloudFront takes, and who gets them."""

from __future__ import annotations

import time
from collections.abc import Generator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs

import httpx2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import PrivateFormat
from pydantic import ValidationError
from starlette.testclient import TestClient
from tests.drivers.cloudfront_edge import KEY, PAIR, RANGES, Edge, is_signed, pem, running, until
from tests.drivers.s3_fake import S3Fake
from tests.drivers.s3_opened import opened as opened_s3

from entrepot.core import AccessError, Driver, UnavailableError, WrappingDriver
from entrepot.core.configuration import load
from entrepot.core.networks import address_of
from entrepot.core.redirects import linking_for
from entrepot.core.testing import Fault, FaultyDriver
from entrepot.core.testing.material import put
from entrepot.drivers.cloudfront import CloudfrontOptions, open_cloudfront
from entrepot.drivers.filesystem import FilesystemOptions, open_filesystem
from entrepot.drivers.inmemory import InMemoryDriver
from entrepot.server.app import create_app

SIGNERS: Any = import_module("botocore.signers")  # which is not typed
BASE = "https://d111111abcdef8.cloudfront.net"
OBJECT = "docker/registry/v2/blobs/sha256/ab/abcd/data"
IN_AWS, ELSEWHERE = "52.94.1.1", "203.0.113.9"


@pytest.fixture
def edge(tmp_path: Path) -> Generator[Edge, None, None]:
    with running(tmp_path / "root") as edge:
        yield edge


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "key.pem"
    path.write_bytes(pem())
    return str(path)


def options(key: str, **more: object) -> CloudfrontOptions:
    written = {"baseurl": BASE, "privatekey": key, "keypairid": PAIR, **more}
    return CloudfrontOptions.model_validate(written)


async def link_of(given: CloudfrontOptions, driver: Driver, key: str = OBJECT) -> str:
    async with open_cloudfront(given, driver) as linking:
        url = await linking.link(key, "GET", 1)
    assert url is not None
    return url


def botocores(url: str, expires: str) -> str:
    def sign(message: bytes) -> bytes:
        return KEY.sign(message, padding.PKCS1v15(), hashes.SHA1())

    until = datetime.fromtimestamp(int(expires), UTC)
    signed: str = SIGNERS.CloudFrontSigner(PAIR, sign).generate_presigned_url(url, until)
    return signed


@pytest.mark.anyio
@pytest.mark.parametrize("base", [BASE, f"{BASE}/", f"{BASE}/a/b", "https://x.test:8443/a%20b"])
async def test_url_is_what_botocore_signs(base: str, key: str) -> None:
    before = int(time.time())

    url, _, query = (await link_of(options(key, baseurl=base), InMemoryDriver())).partition("?")

    expires = parse_qs(query)["Expires"][0]
    assert url == f"{base.rstrip('/')}/{OBJECT}"
    assert before + 1200 <= int(expires) <= time.time() + 1200
    assert is_signed(url, parse_qs(query))
    assert f"{url}?{query}" == botocores(url, expires)


@pytest.mark.anyio
async def test_url_lasts_as_long_as_configured(key: str) -> None:
    before = int(time.time())

    url = await link_of(options(key, duration="3000s"), InMemoryDriver())

    expires = int(parse_qs(url.partition("?")[2])["Expires"][0])
    assert before + 3000 <= expires <= time.time() + 3000


@pytest.mark.anyio
async def test_scheme_may_be_left_out(key: str) -> None:
    url = await link_of(options(key, baseurl="my.cloudfronted.domain.com/"), InMemoryDriver())

    assert url.startswith(f"https://my.cloudfronted.domain.com/{OBJECT}?")


@pytest.mark.anyio
async def test_url_names_the_object_in_its_bucket_as_distribution_does(key: str) -> None:
    async with (
        S3Fake().running() as fake,
        opened_s3(fake, rootdirectory="/my images/") as s3,
    ):
        url, _, query = (await link_of(options(key), WrappingDriver(s3))).partition("?")

    assert url == f"{BASE}/my%20images/{OBJECT}"
    assert is_signed(url, parse_qs(query))


@pytest.mark.anyio
async def test_link_leads_to_the_object_and_ends(edge: Edge, key: str, tmp_path: Path) -> None:
    given = options(key, baseurl=edge.url)
    async with open_filesystem(FilesystemOptions(rootdirectory=str(tmp_path / "root"))) as driver:
        await put(driver, OBJECT, b"0123456789")
        await put(driver, "other", b"not for you")
        url = await link_of(given, driver)
        short = await link_of(options(key, baseurl=edge.url, duration="1s"), driver)

    async with httpx2.AsyncClient() as client:
        assert (await client.get(url)).content == b"0123456789"
        part = await client.get(url, headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, b"234")
        assert (await client.get(url.replace(OBJECT, "other"))).status_code == 403
        assert (await client.get(url.replace("Expires=1", "Expires=2"))).status_code == 403
        assert (await client.get(url.partition("?")[0])).status_code == 403

        async def is_over() -> bool:
            return (await client.get(short)).status_code == 403

        await until(is_over)


class Linked(FaultyDriver):
    """Gives links of its own."""

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        await super().link(key, method, seconds)
        return f"https://bucket.test/{key}?{method}&{seconds}"


FILTERED: list[tuple[dict[str, object], str, bool]] = [
    ({"ipfilteredby": "aws"}, IN_AWS, True),
    ({"ipfilteredby": "AWS"}, "::ffff:52.94.1.1", True),
    ({"ipfilteredby": "aws"}, "2600:1f18::1", True),
    ({"ipfilteredby": "aws"}, "2a05:d018::1", True),
    ({"ipfilteredby": "aws"}, ELSEWHERE, False),
    ({"ipfilteredby": "aws"}, "", False),
    ({"ipfilteredby": "awsregion", "awsregion": "US-east-1, use-east-2"}, IN_AWS, True),
    ({"ipfilteredby": "awsregion", "awsregion": "us-east-1"}, "3.5.140.1", False),
    ({"ipfilteredby": "awsregion", "awsregion": ["ap-northeast-2"]}, "3.5.140.1", True),
    ({"ipfilteredby": "none"}, IN_AWS, False),
    ({}, IN_AWS, False),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("more", "client", "is_own"), FILTERED)
async def test_clients_in_aws_get_the_stores_own_link(
    edge: Edge, key: str, more: dict[str, object], client: str, is_own: bool
) -> None:
    given = options(key, iprangesurl=edge.url + RANGES, **more)
    async with open_cloudfront(given, Linked(InMemoryDriver())) as driver:
        known = address_of("52.94.1.1" if "us" in str(more).lower() else "3.5.140.1")
        if more.get("ipfilteredby", "none") != "none":
            await until_linked(driver, "https://bucket.test/", str(known))
        with linking_for(address_of(client)):
            url = await driver.link(OBJECT, "GET", 60)

    assert url is not None
    own = f"https://bucket.test/{OBJECT}?GET&60"
    assert url == own if is_own else url.startswith(f"{BASE}/{OBJECT}?Expires=")
    assert edge.fetches == (1 if more.get("ipfilteredby", "none") != "none" else 0)


async def until_linked(driver: Driver, start: str, client: str) -> None:
    """Until the ranges are there, by which a client is sent elsewhere."""

    async def is_linked() -> bool:
        with linking_for(address_of(client)):
            return str(await driver.link(OBJECT, "GET", 60)).startswith(start)

    await until(is_linked)


@pytest.mark.anyio
async def test_failure_of_the_stores_own_link_is_told(edge: Edge, key: str) -> None:
    given = options(key, ipfilteredby="aws", iprangesurl=edge.url + RANGES)
    store = Linked(InMemoryDriver())
    async with open_cloudfront(given, store) as driver:
        await until_linked(driver, "https://bucket.test/", IN_AWS)
        store.faults = [Fault("link", UnavailableError("", "late"))]
        with linking_for(address_of(IN_AWS)), pytest.raises(UnavailableError):
            await driver.link(OBJECT, "GET", 60)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not a private key in PEM form"),
        (b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "PEM form"),
        (pem(password=b"secret", form=PrivateFormat.PKCS8), "has a password; remove it"),
        (
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            "is not an RSA key; make one of 2048 bits",
        ),
        (None, r"cannot read the private key .*key\.pem: No such file or directory"),
    ],
)
@pytest.mark.anyio
async def test_key_that_cannot_sign_is_told_at_the_start(
    content: bytes | None, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(AccessError, match=told) as caught:
        await link_of(options(str(path)), InMemoryDriver())

    assert "PRIVATE KEY" not in str(caught.value)


@pytest.mark.anyio
async def test_key_may_have_either_form(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem(form=PrivateFormat.PKCS8))

    url, _, query = (await link_of(options(str(path)), InMemoryDriver())).partition("?")

    assert is_signed(url, parse_qs(query))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"baseurl": "ftp://a"}, "write it with scheme and host"),
        ({"baseurl": "https://a/?b"}, "remove what begins with"),
        ({"privatekey": ""}, "at least 1 character"),
        ({"keypairid": "a b"}, "letters and digits are wanted"),
        ({"keypairid": ""}, "letters and digits are wanted"),
        ({"duration": "0s"}, "at least 1s is wanted"),
        ({"duration": "20"}, "at least 1s is wanted"),
        ({"ipfilteredby": "region"}, "'none', 'aws' or 'awsregion'"),
        ({"ipfilteredby": "awsregion"}, "needs `awsregion`; write it like"),
        ({"ipfilteredby": "awsregion", "awsregion": " ,"}, "needs `awsregion`; write it like"),
        ({"updatefrequency": "1s"}, "at least 1m is wanted"),
        ({"updatefrenquency": "1s"}, "at least 1m is wanted"),
        ({"iprangesurl": "file:///etc/passwd"}, "a URL without a user is wanted"),
        ({"iprangesurl": "https://me:s3cr3t@a/"}, "a URL without a user is wanted"),
        ({"regions": "a"}, "Extra inputs are not permitted"),
    ],
)
def test_mistake_is_told(more: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as caught:
        options("key.pem", **more)

    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({}, 12 * 3600),
        ({"updatefrequency": "1h"}, 3600),
        ({"updatefrenquency": "2h"}, 7200),
        ({"updatefrequency": "1h", "updatefrenquency": "2h"}, 7200),
    ],
)
def test_ranges_are_looked_at_in_either_spelling(more: dict[str, object], seconds: float) -> None:
    assert options("key.pem", **more).update_seconds == seconds


@pytest.mark.parametrize(("peer", "status"), [(IN_AWS, 200), (ELSEWHERE, 307)])
def test_configured_registry_asks_where_a_client_is(
    edge: Edge, key: str, peer: str, status: int
) -> None:
    settings = {
        "NAME": "cloudfront",
        "OPTIONS_BASEURL": BASE,
        "OPTIONS_PRIVATEKEY": key,
        "OPTIONS_KEYPAIRID": PAIR,
        "OPTIONS_IPFILTEREDBY": "aws",
        "OPTIONS_IPRANGESURL": edge.url + RANGES,
    }
    variables = {f"REGISTRY_MIDDLEWARE_STORAGE_0_{key}": text for key, text in settings.items()}
    app = create_app(load(None, {"REGISTRY_STORAGE": "inmemory", **variables}).configuration)
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with TestClient(app, follow_redirects=False, client=(peer, 1)) as client:
        client.post("/v2/a/blobs/uploads/", params={"digest": empty}).raise_for_status()
        deadline = time.monotonic() + 20
        while client.get(f"/v2/a/blobs/{empty}").status_code != status:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        answer = client.get(f"/v2/a/blobs/{empty}")

    assert answer.status_code == status
    assert answer.headers.get("location", BASE).startswith(BASE)
