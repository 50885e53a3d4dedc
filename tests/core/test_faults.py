"""A push whose store fails or whose process dies at any one operation: what was promised holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any, get_args

import pytest
from tests.core.stores import (
    CONFIG,
    NAME,
    chunks,
    image,
    index,
    keys,
    open_memory,
    read_blob,
    verify,
)
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import FullError, StorageError, UnavailableError
from entrepot.core.links import read_link
from entrepot.core.manifest import OCI_MANIFEST
from entrepot.core.names import Digest, Tag
from entrepot.core.registry import Registry, Rules, open_registry
from entrepot.core.testing import Fault, FaultyDriver
from entrepot.core.testing.faults import Operation, When

pytestmark = pytest.mark.anyio

T = Tag("t")
LAYER = [b"chunk 1, " * 50, b"chunk 2, " * 70, b"the end"]
WHOLE = b"".join(LAYER)
SUBJECT = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(b"subject")), "size": 7}
MANIFEST = image([WHOLE], subject=SUBJECT)
BEFORE = index()
OPERATIONS: tuple[Operation, ...] = get_args(Operation)


class Died(BaseException):
    """The process is gone: nothing may go on, and nothing may be told to the client."""


class Dying(FaultyDriver):
    """A driver whose process dies at its `last` operation, before or after it is done."""

    def __init__(self, driver: Driver, last: int, when: When) -> None:
        super().__init__(driver)
        self.last = last
        self.when: When = when
        self.count = 0

    def call(self, operation: Operation, *names: str) -> Any:
        self.count += 1
        if self.count >= self.last:
            when: When = self.when if self.count == self.last else "before"
            self.faults = [Fault(each, Died(), when=when, times=None) for each in OPERATIONS]
        return super().call(operation, *names)


class Push:
    """A whole push, which notes what the registry said it has."""

    def __init__(self, algorithm: str = "sha256") -> None:
        self.algorithm = algorithm
        self.acknowledged: list[bytes] = []
        self.tagged = False

    async def run(self, registry: Registry) -> None:
        repository = registry.repository(NAME)
        session = await repository.uploads.start(self.algorithm)
        for chunk in LAYER[:-1]:
            session = await repository.uploads.find(session.id, self.algorithm)
            await session.append(chunks(chunk))
        await session.commit(Digest.of(WHOLE), chunks(LAYER[-1]))
        self.acknowledged.append(WHOLE)
        await (await repository.uploads.start()).commit(Digest.of(CONFIG), chunks(CONFIG))
        self.acknowledged.append(CONFIG)
        await repository.manifests.put(T, MANIFEST, None)
        self.tagged = True


@pytest.fixture(params=["memory", "staged"])
async def store(request: pytest.FixtureRequest) -> AsyncGenerator[Driver, None]:
    """What outlives the process; a driver with its own appends, and one without."""
    if request.param == "staged":
        yield DictionaryDriver({})
    else:
        async with open_memory() as driver:
            yield driver


async def tag_before(store: Driver) -> None:
    """Let the tag point to something older."""
    async with open_registry(store, Rules()) as registry:
        await registry.repository(NAME).manifests.put(T, BEFORE, None)


async def assert_promises(store: Driver, push: Push) -> None:
    """By a registry that is well, over what a failure left."""
    async with open_registry(store, Rules()) as registry:
        repository = registry.repository(NAME)
        for content in push.acknowledged:
            assert await read_blob(repository, Digest.of(content)) == content
        tags = await verify(registry, NAME)
        allowed = {Digest.of(MANIFEST)} if push.tagged else {Digest.of(MANIFEST), Digest.of(BEFORE)}
        assert tags["t"] in allowed
        if push.tagged:
            page = await repository.referrers.page(Digest.of(b"subject"))
            assert [each["digest"] for each in page.descriptors] == [str(Digest.of(MANIFEST))]
    await assert_store_sound(store)


async def assert_store_sound(store: Driver) -> None:
    """No content under another digest, no link that is torn or leads nowhere."""
    for key in await keys(store, "docker/"):
        if key.startswith(layout.BLOBS):
            algorithm, _, found = key.removeprefix(layout.BLOBS).removesuffix("/data").split("/")
            async with aclosing(store.read(key)) as content:
                data = b"".join([chunk async for chunk in content])
            assert Digest.of(data, algorithm).hex == found
        elif key.endswith("/link"):
            digest = await read_link(store, key)
            assert digest is not None
            await store.stat(layout.blob(digest))


async def assert_heals(store: Driver) -> None:
    """The same push again succeeds and leaves nothing of itself but what it pushed."""
    again = Push()
    async with open_registry(store, Rules()) as registry:
        left = set(await keys(store, layout.repository(NAME) + "_uploads/"))
        await again.run(registry)
        assert set(await keys(store, layout.repository(NAME) + "_uploads/")) <= left
    await assert_promises(store, again)


async def counted() -> Counter[Operation]:
    """How often each operation happens in a push that goes well."""
    faults = [Fault(operation) for operation in OPERATIONS]
    for fault in faults:
        fault.nth = 1000
    driver = FaultyDriver(DictionaryDriver({}), *faults)
    await tag_before(driver)
    for fault in faults:
        fault.met = 0
    async with open_registry(driver, Rules()) as registry:
        await Push().run(registry)
    return Counter({fault.operation: fault.met for fault in faults if fault.met})


CALLS = asyncio.run(counted())


def test_push_uses_the_operations_that_fail_here() -> None:
    assert CALLS["write"] >= 10
    assert set(CALLS) == {"stat", "read", "write", "delete", "size", "append", "commit", "scan"}
    assert CALLS["scan"] == 1, "it looks once whether garbage is collected"


@pytest.mark.parametrize("when", ["before", "midway", "after"])
@pytest.mark.parametrize(
    ("operation", "nth"), [(each, n) for each in CALLS for n in range(1, CALLS[each] + 1)]
)
async def test_store_fails_once(store: Driver, operation: Operation, nth: int, when: When) -> None:
    await tag_before(store)
    error: StorageError = UnavailableError("", "slow down") if nth % 2 else FullError("", "full")
    faulty = FaultyDriver(store, Fault(operation, error, when=when, nth=nth))
    push = Push()

    async with open_registry(faulty, Rules()) as registry:
        with suppress(StorageError):
            await push.run(registry)

    await assert_promises(store, push)
    await assert_heals(store)


@pytest.mark.parametrize("when", ["before", "midway", "after"])
@pytest.mark.parametrize("last", range(1, CALLS.total() + 1))
async def test_process_dies(store: Driver, last: int, when: When) -> None:
    await tag_before(store)
    push = Push()

    async with open_registry(Dying(store, last, when), Rules()) as registry:
        with suppress(Died):
            await push.run(registry)

    await assert_promises(store, push)
    await assert_heals(store)


@pytest.mark.parametrize("when", ["before", "midway", "after"])
@pytest.mark.parametrize("last", range(1, 20))
@pytest.mark.parametrize("what", ["tag", "manifest"])
async def test_process_dies_in_a_deletion(store: Driver, what: str, last: int, when: When) -> None:
    push = Push()
    async with open_registry(store, Rules()) as registry:
        await push.run(registry)
        await registry.repository(NAME).manifests.put(Tag("u"), MANIFEST, None)

    async with open_registry(Dying(store, last, when), Rules()) as registry:
        repository = registry.repository(NAME)
        with suppress(Died):
            if what == "tag":
                await repository.tags.delete(T)
            else:
                await repository.manifests.delete(Digest.of(MANIFEST))

    async with open_registry(store, Rules()) as registry:
        assert set((await verify(registry, NAME)).values()) <= {Digest.of(MANIFEST)}
    await assert_store_sound(store)
    await assert_heals(store)
