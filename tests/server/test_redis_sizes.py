"""Sizes in Redis: checked, bounded, and no reason to wait or to fail."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as DownError
from redis.exceptions import ResponseError

from entrepot.core.configuration import load
from entrepot.core.errors import ConfigurationError
from entrepot.core.names import Digest
from entrepot.server.descriptors import open_descriptors
from entrepot.server.descriptors.sizes import RedisSizes

pytestmark = pytest.mark.anyio

ONE = Digest.of(b"one")
KEY = f"entrepot:size:{ONE}"
SECONDS = 10.0


class FakeRedis:
    """Keeps values; fails while it has `trouble`, and never answers while it is `silent`."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.trouble: Exception | None = None
        self.silent = False
        self.commands = 0
        self.changed = asyncio.Event()

    async def get(self, key: str) -> bytes | None:
        await self._answer()
        return self.values.get(key)

    async def set(self, key: str, value: str, ex: int) -> None:
        await self._answer()
        assert ex > 0
        self.values[key] = value.encode()
        self.changed.set()

    async def delete(self, key: str) -> None:
        await self._answer()
        self.values.pop(key, None)
        self.changed.set()

    async def _answer(self) -> None:
        self.commands += 1
        if self.silent:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture
def fake() -> FakeRedis:
    return FakeRedis()


@pytest.fixture
async def sizes(fake: FakeRedis) -> AsyncGenerator[RedisSizes, None]:
    sizes = RedisSizes(cast("Any", fake), 0.02, pauses=(0.001, 0.002))
    tasks = [asyncio.create_task(work()) for work in (sizes.write_all, sizes.watch)]
    await until(lambda: "entrepot:probe" in fake.values)
    await asyncio.sleep(0)
    yield sizes
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def until(happens: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not happens():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.001)


async def test_size_is_written_read_and_dropped(fake: FakeRedis, sizes: RedisSizes) -> None:
    assert await sizes.get(ONE) is None
    sizes.put(ONE, 7)
    await until(lambda: fake.values.get(KEY) == b"7")
    assert await sizes.get(ONE) == 7
    sizes.drop(ONE)
    await until(lambda: KEY not in fake.values)

    assert await sizes.get(ONE) is None
    assert sizes.errors == 0


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"-1",
        b"1.5",
        b" 7",
        b"7\n",
        b"x",
        b"9" * 5000,
        b"\xff",
        b"1125899906842625",
        "\u0667".encode(),
    ],
)
async def test_what_is_no_size_counts_as_nothing(
    fake: FakeRedis, sizes: RedisSizes, value: bytes
) -> None:
    fake.values[KEY] = value

    assert await sizes.get(ONE) is None
    assert sizes.errors == 1


async def test_value_of_another_kind_counts_as_nothing(
    fake: FakeRedis, sizes: RedisSizes, caplog: pytest.LogCaptureFixture
) -> None:
    fake.trouble = ResponseError("WRONGTYPE Operation against a key holding the wrong kind")

    assert await sizes.get(ONE) is None
    fake.trouble = None
    fake.values[KEY] = b"7"
    assert await sizes.get(ONE) == 7
    assert not caplog.records


async def test_redis_that_is_down_is_told_once_and_used_again(
    fake: FakeRedis, sizes: RedisSizes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def told() -> list[str]:
        return [record.getMessage() for record in caplog.records if "redis" in record.name]

    fake.values[KEY] = b"7"
    fake.trouble = DownError("connection refused")

    assert await sizes.get(ONE) is None
    before = fake.commands
    for _ in range(100):
        assert await sizes.get(ONE) is None
        sizes.put(ONE, 8)
    assert fake.commands == before  # nobody waits for it
    await until(lambda: fake.commands > before + 3)
    fake.trouble = None
    await until(lambda: len(told()) == 2)

    assert await sizes.get(ONE) == 7
    assert told() == [
        "redis is left alone until it answers: connection refused",
        "redis is used again",
    ]


async def test_redis_that_is_silent_costs_three_waits(fake: FakeRedis, sizes: RedisSizes) -> None:
    fake.silent = True
    loop = asyncio.get_running_loop()
    began = loop.time()

    for _ in range(100):
        assert await sizes.get(ONE) is None

    assert loop.time() - began < 1  # and not the 2 s of a hundred waits
    assert fake.commands <= 5


async def test_what_waits_to_be_written_is_bounded(fake: FakeRedis, sizes: RedisSizes) -> None:
    for number in range(5000):
        sizes.put(Digest.of(str(number).encode()), number)

    await until(lambda: len(fake.values) > 900)
    assert len(fake.values) <= 1002


def configured(**variables: str) -> Any:
    given = {"STORAGE": "inmemory", "STORAGE_CACHE_BLOBDESCRIPTOR": "redis"} | variables
    return load(None, {f"REGISTRY_{name}": value for name, value in given.items()}).configuration


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "redis.addrs: at least one address is needed"),
        (
            {"REDIS_ADDRS": "['a:1']", "REDIS_TLS_ROOTCAS": "[/nowhere.pem]"},
            "redis.tls.rootcas: /nowhere.pem: ",
        ),
        (
            {"REDIS_ADDRS": "['a:1']", "REDIS_TLS_CERTIFICATE": "/nowhere.pem"},
            "redis.tls.certificate: ",
        ),
    ],
)
async def test_mistake_in_the_section_is_told_at_start(
    variables: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        async with open_descriptors(configured(**variables)):
            pass

    [mistake] = caught.value.mistakes
    assert mistake.startswith(said)


async def test_redis_need_not_be_there_at_start(caplog: pytest.LogCaptureFixture) -> None:
    async with open_descriptors(configured(REDIS_ADDR="127.0.0.1:1")) as known:
        assert await known.shared_size(ONE) is None
        known.keep_size(ONE, 7)
        await until(lambda: bool(caplog.records))

    assert known.size(ONE) == 7
    assert "left alone until it answers" in caplog.text


async def test_missing_client_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "redis"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("sizes", "connecting"):
        monkeypatch.delitem(sys.modules, f"entrepot.server.descriptors.{name}")
    monkeypatch.setitem(sys.modules, "redis", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'entrepot\[redis\]'"):
        async with open_descriptors(configured(REDIS_ADDR="127.0.0.1:1")):
            pass
