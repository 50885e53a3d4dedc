"""What `write` must do: a stream is stored whole or not at all."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from itertools import pairwise

import pytest

from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError, StorageError
from entrepot.core.testing.material import (
    LARGE,
    MIB,
    SKEW,
    Broken,
    Stalled,
    breaking,
    cancel_midway,
    chunks_of,
    content,
    ends,
    find,
    get,
    keys,
    pieces,
    put,
)

_DIGITS = "0123456789abcdef" * 8
_KEYS = (
    "a",
    "2",
    "aa",
    "a.a",
    "0-9/abcdefg",
    "abcdefg/z.75",
    "abc/1.2.3.4.5-6_zyx/123.z/4",
    "docker/docker-registry",
    "123.abc",
    "abc./abc",
    "a--b",
    ".abc",
    ".d/.e",
    "a-.b",
    "a..b/c..d",
    "a__b/c",
    "_a/b_/_",
    "Upper/Case",
    "tmp/tmp",
    "1/2/3/4/5/6/7/8/9/10/11/12",
    f"docker/registry/v2/repositories/{'n' * 255}/_manifests/revisions/sha512/{_DIGITS}/link",
    f"docker/registry/v2/repositories/{'n/' * 127}n/_manifests/tags/{'t' * 128}/current/link",
)


class Writing:
    async def test_write_gives_the_entry(self, driver: Driver) -> None:
        entry = await driver.write("a/b", pieces(content(MIB + 1)))

        assert (entry.key, entry.size) == ("a/b", MIB + 1)
        assert abs(entry.modified - (await driver.stat("a/b")).modified) < SKEW

    async def test_write_leaves_one_object(self, driver: Driver) -> None:
        await put(driver, "a/b", content(3 * MIB))

        assert await keys(driver) == ["a/b"]

    async def test_write_empty_stream(self, driver: Driver) -> None:
        entry = await driver.write("a", chunks_of([]))

        assert entry.size == 0
        assert await find(driver, "a") == b""

    async def test_write_empty_chunks_among_others(self, driver: Driver) -> None:
        await driver.write("a", chunks_of([b"", b"one", b"", b"", b"two", b""]))

        assert await get(driver, "a") == b"onetwo"

    async def test_write_many_small_chunks(self, driver: Driver) -> None:
        chunks = [b"%05d" % number for number in range(5000)]

        await driver.write("a", chunks_of(chunks))

        assert ends(await get(driver, "a")) == ends(b"".join(chunks))

    async def test_write_uneven_chunks(self, driver: Driver) -> None:
        data = content(LARGE)
        cuts = [0, 1, 5 * MIB, 5 * MIB + 3, 11 * MIB, LARGE]

        await driver.write("a", chunks_of(data[i:j] for i, j in pairwise(cuts)))

        assert ends(await get(driver, "a")) == ends(data)

    async def test_write_large_stream(self, driver: Driver) -> None:
        data = content(2 * LARGE)

        entry = await driver.write("a", pieces(data, 64 * 1024))

        assert entry.size == 2 * LARGE
        assert ends(await get(driver, "a")) == ends(data)

    async def test_write_over_existing_replaces_all_of_it(self, driver: Driver) -> None:
        for size in (1000, 5000, 10, 0, MIB):
            data = content(size, seed=size)
            await put(driver, "a", data)

            assert ends(await get(driver, "a")) == ends(data)
            assert (await driver.stat("a")).size == size

    async def test_write_large_over_large_replaces_all_of_it(self, driver: Driver) -> None:
        """Again and again, shorter and longer: no part of a former content is left."""
        for turn, size in enumerate((2 * LARGE, LARGE, LARGE + 1, LARGE - MIB, 2 * LARGE, 1)):
            data = content(size, seed=turn)
            await put(driver, "a", data)

            assert ends(await get(driver, "a")) == ends(data)
            assert (await driver.stat("a")).size == size

    async def test_write_every_kind_of_key(self, driver: Driver) -> None:
        """Letters, digits, dots, dashes and underscores, as deep and long as the layout's."""
        for key in _KEYS:
            await put(driver, key, key.encode())

        assert {key: await find(driver, key) for key in _KEYS} == {k: k.encode() for k in _KEYS}
        assert await keys(driver) == sorted(_KEYS)

    async def test_write_keys_that_differ_in_case(self, driver: Driver) -> None:
        """Tags `V1` and `v1` are two."""
        for key in ("t/V1", "t/v1"):
            await put(driver, key, key.encode())

        assert await keys(driver) == ["t/V1", "t/v1"]
        assert await get(driver, "t/V1") == b"t/V1"

    async def test_write_broken_stream_leaves_nothing(self, driver: Driver) -> None:
        for data in (b"", b"some", content(LARGE)):
            with pytest.raises(Broken):
                await driver.write("a/b", breaking(data, Broken()))

            assert await find(driver, "a/b") is None
            assert await keys(driver) == []

    async def test_write_broken_stream_over_existing_keeps_it(self, driver: Driver) -> None:
        await put(driver, "a", b"old content")

        for data in (b"", b"new", content(LARGE)):
            with pytest.raises(Broken):
                await driver.write("a", breaking(data, Broken()))

            assert ends(await find(driver, "a")) == ends(b"old content")
            assert await keys(driver) == ["a"]

    async def test_write_lets_the_streams_error_through(self, driver: Driver) -> None:
        """The very error: the core tells a wrong digest from a failing store by it."""
        error = Broken("wrong digest")

        with pytest.raises(Broken) as raised:
            await driver.write("a", breaking(b"some", error))

        assert raised.value is error

    async def test_write_cancelled_leaves_nothing(self, driver: Driver) -> None:
        for data in (b"some", content(LARGE)):
            await cancel_midway(lambda chunks: driver.write("a/b", chunks), data)

            assert await find(driver, "a/b") is None
            assert await keys(driver) == []

    async def test_write_cancelled_over_existing_keeps_it(self, driver: Driver) -> None:
        await put(driver, "a", b"old content")

        await cancel_midway(lambda chunks: driver.write("a", chunks), content(LARGE))

        assert ends(await find(driver, "a")) == ends(b"old content")

    async def test_write_under_way_is_not_seen(self, driver: Driver) -> None:
        stalled = Stalled(content(LARGE))
        task = stalled.begin(driver.write("a/b", stalled.chunks()))
        await stalled.reached.wait()

        seen = await find(driver, "a/b"), await keys(driver)
        stalled.released.set()
        await task

        assert seen == (None, [])
        assert ends(await get(driver, "a/b")) == ends(content(LARGE))

    async def test_write_under_way_shows_the_old_content(self, driver: Driver) -> None:
        await put(driver, "a", b"old content")
        stalled = Stalled(content(LARGE))
        task = stalled.begin(driver.write("a", stalled.chunks()))
        await stalled.reached.wait()

        seen = await find(driver, "a"), (await driver.stat("a")).size
        stalled.released.set()
        await task

        assert seen == (b"old content", 11)
        assert ends(await get(driver, "a")) == ends(content(LARGE))

    async def test_write_during_a_read_does_not_mix_into_it(self, driver: Driver) -> None:
        """The reader gets the old content, the new one, or an error; never some of each."""
        old, new = content(LARGE, seed=1), content(LARGE, seed=2)
        await put(driver, "a", old)

        read: bytes | None = b""
        async with aclosing(driver.read("a")) as chunks:
            parts = [await anext(chunks)]
            await put(driver, "a", new)
            try:
                parts += [chunk async for chunk in chunks]
                read = b"".join(parts)
            except StorageError:
                read = None

        assert ends(read) in {ends(old), ends(new), ends(None)}

    async def test_write_again_and_again_shows_whole_contents(self, driver: Driver) -> None:
        """A tag moves while it is read: readers see one of its values each time."""
        written = [b"%d," % number * 500 for number in range(10, 40)]
        await put(driver, "a", written[0])
        seen: list[bytes | None] = []

        async def read() -> None:
            while len(seen) < 400 and not done.is_set():
                seen.append(await find(driver, "a"))
                await asyncio.sleep(0)

        done = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            for data in written:
                await put(driver, "a", data)
            done.set()

        assert {ends(data) for data in seen} <= {ends(data) for data in written}

    async def test_writes_at_once_to_one_key_leave_one_of_them(self, driver: Driver) -> None:
        written = [content(MIB, seed=number) for number in range(8)]

        async with asyncio.TaskGroup() as group:
            for data in written:
                group.create_task(put(driver, "a", data))

        assert ends(await find(driver, "a")) in {ends(data) for data in written}
        assert await keys(driver) == ["a"]

    async def test_writes_and_reads_of_many_keys_at_once(self, driver: Driver) -> None:
        async def one(number: int) -> None:
            data = content(MIB, seed=number)
            await put(driver, f"a/{number}", data)
            assert ends(await get(driver, f"a/{number}")) == ends(data)

        async with asyncio.TaskGroup() as group:
            for number in range(32):
                group.create_task(one(number))

    async def test_write_from_a_read_of_the_same_driver(self, driver: Driver) -> None:
        data = content(LARGE)
        await put(driver, "a", data)

        async with aclosing(driver.read("a", 1)) as chunks:
            await driver.write("b", chunks)

        assert ends(await get(driver, "b")) == ends(data[1:])

    async def test_write_from_a_missing_object_leaves_nothing(self, driver: Driver) -> None:
        with pytest.raises(NotFoundError):
            await driver.write("b", driver.read("a"))

        assert await keys(driver) == []
