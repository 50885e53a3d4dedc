"""What `upload` and `append` must do: an object grows over many requests, on any process."""

from __future__ import annotations

import asyncio

import pytest

from entrepot.core.driver import Driver, Upload
from entrepot.core.errors import NotFoundError, OffsetError
from entrepot.core.testing.material import (
    LARGE,
    MIB,
    TOKEN,
    Broken,
    breaking,
    cancel_midway,
    chunks_of,
    content,
    ends,
    find,
    get,
    keys,
    pieces,
)


class Uploading:
    async def test_upload_that_never_began_holds_nothing(self, driver: Driver) -> None:
        assert await driver.upload(TOKEN).size() == 0
        assert await keys(driver) == []

    async def test_upload_append_and_commit(self, driver: Driver) -> None:
        upload = driver.upload(TOKEN)

        assert await upload.append(pieces(content(MIB)), 0) == MIB
        assert await upload.size() == MIB
        entry = await upload.commit("b/data", MIB)

        assert (entry.key, entry.size) == ("b/data", MIB)
        assert ends(await get(driver, "b/data")) == ends(content(MIB))

    async def test_upload_is_no_object_before_commit(self, driver: Driver) -> None:
        await driver.upload(TOKEN).append(pieces(b"some"), 0)

        with pytest.raises(NotFoundError):
            await driver.stat("b/data")
        assert all(key.startswith(f"{TOKEN}/data") for key in await keys(driver))

        await driver.upload(TOKEN).abort()

    async def test_upload_appends_go_behind_one_another(self, driver: Driver) -> None:
        """Sizes on both sides of the part sizes of the backends that write in parts."""
        sizes = [6 * MIB, 1, 5 * MIB - 1, 5 * MIB, 3, 9 * MIB]
        data = content(sum(sizes))
        upload = driver.upload(TOKEN)

        at = 0
        for size in sizes:
            assert await upload.append(pieces(data[at : at + size]), at) == at + size
            at += size
        await upload.commit("b", at)

        assert ends(await get(driver, "b")) == ends(data)

    async def test_upload_many_small_appends(self, driver: Driver) -> None:
        """More than nine, so that an order by text shows."""
        upload = driver.upload(TOKEN)
        data = content(100 * 33)

        for at in range(0, len(data), 33):
            assert await upload.append(pieces(data[at : at + 33]), at) == at + 33
        await upload.commit("b", len(data))

        assert await get(driver, "b") == data

    async def test_upload_append_of_many_chunks(self, driver: Driver) -> None:
        data = content(LARGE)
        upload = driver.upload(TOKEN)

        await upload.append(pieces(data, 8 * 1024), 0)
        await upload.commit("b", LARGE)

        assert ends(await get(driver, "b")) == ends(data)

    async def test_upload_append_of_nothing(self, driver: Driver) -> None:
        upload = driver.upload(TOKEN)

        assert await upload.append(chunks_of([]), 0) == 0
        assert await upload.append(pieces(b"one"), 0) == 3
        assert await upload.append(chunks_of([b""]), 3) == 3
        assert await upload.append(pieces(b"two"), 3) == 6
        await upload.commit("b", 6)

        assert await get(driver, "b") == b"onetwo"

    async def test_upload_append_at_a_wrong_offset(self, driver: Driver) -> None:
        upload = driver.upload(TOKEN)
        await upload.append(pieces(b"content"), 0)

        for offset in (0, 6, 8, 1000):
            with pytest.raises(OffsetError):
                await upload.append(pieces(b"more"), offset)

        assert await upload.size() == 7
        await upload.commit("b", 7)
        assert await get(driver, "b") == b"content"

    async def test_upload_first_append_past_the_beginning(self, driver: Driver) -> None:
        with pytest.raises(OffsetError):
            await driver.upload(TOKEN).append(pieces(b"more"), 4)

        assert await driver.upload(TOKEN).size() == 0
        assert await keys(driver) == []

    async def test_upload_two_appends_at_once(self, driver: Driver) -> None:
        """One is in, whole; the other is told. Their bytes never mix."""
        await _compete(driver, driver)

    async def test_upload_two_appends_at_once_by_two_instances(
        self, driver: Driver, second: Driver
    ) -> None:
        await _compete(driver, second)

    async def test_upload_broken_append_keeps_a_true_prefix(self, driver: Driver) -> None:
        data = content(2 * LARGE)
        upload = driver.upload(TOKEN)
        await upload.append(pieces(data[:1000]), 0)

        error = Broken()
        with pytest.raises(Broken) as raised:
            await upload.append(breaking(data[1000:LARGE], error), 1000)

        assert raised.value is error
        await _finish(driver, data, 1000, LARGE)

    async def test_upload_broken_first_append_keeps_a_true_prefix(self, driver: Driver) -> None:
        data = content(2 * LARGE)

        with pytest.raises(Broken):
            await driver.upload(TOKEN).append(breaking(data[:LARGE], Broken()), 0)

        await _finish(driver, data, 0, LARGE)

    async def test_upload_cancelled_append_keeps_a_true_prefix(self, driver: Driver) -> None:
        data = content(2 * LARGE)
        upload = driver.upload(TOKEN)
        await upload.append(pieces(data[:1000]), 0)

        await cancel_midway(lambda chunks: upload.append(chunks, 1000), data[1000:LARGE])

        await _finish(driver, data, 1000, LARGE)

    async def test_upload_broken_at_once_holds_nothing(self, driver: Driver) -> None:
        with pytest.raises(Broken):
            await driver.upload(TOKEN).append(breaking(b"", Broken()), 0)

        assert await driver.upload(TOKEN).size() == 0
        assert await keys(driver) == []

    async def test_uploads_whose_tokens_begin_alike_are_apart(self, driver: Driver) -> None:
        await driver.upload("u/1").append(pieces(b"one"), 0)
        await driver.upload("u/10").append(pieces(b"ten"), 0)

        await driver.upload("u/1").abort()

        assert await driver.upload("u/1").size() == 0
        assert await driver.upload("u/10").size() == 3
        await driver.upload("u/10").commit("b", 3)
        assert await get(driver, "b") == b"ten"

    async def test_uploads_at_once(self, driver: Driver) -> None:
        async def one(number: int) -> None:
            data = content(64 * 1024 + number, seed=number)
            upload = driver.upload(f"u/{number}")
            await upload.append(pieces(data[:1000], 100), 0)
            await upload.append(pieces(data[1000:]), 1000)
            await upload.commit(f"b/{number}", len(data))
            assert ends(await get(driver, f"b/{number}")) == ends(data)

        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(one(number))

    async def test_upload_goes_on_by_its_token_alone(self, driver: Driver) -> None:
        """Another request, so another `Upload`: nothing is kept in it."""
        await driver.upload(TOKEN).append(pieces(b"one"), 0)

        assert await driver.upload(TOKEN).size() == 3
        await driver.upload(TOKEN).append(pieces(b"two"), 3)
        await driver.upload(TOKEN).commit("b", 6)

        assert await get(driver, "b") == b"onetwo"

    async def test_upload_goes_on_in_another_instance(self, driver: Driver, second: Driver) -> None:
        data = content(2 * LARGE)
        await driver.upload(TOKEN).append(pieces(data[:LARGE]), 0)

        assert await second.upload(TOKEN).size() == LARGE
        await second.upload(TOKEN).append(pieces(data[LARGE:-1]), LARGE)
        await driver.upload(TOKEN).append(pieces(data[-1:]), 2 * LARGE - 1)
        await second.upload(TOKEN).commit("b", 2 * LARGE)

        assert ends(await get(driver, "b")) == ends(data)
        assert await driver.upload(TOKEN).size() == 0


async def _finish(driver: Driver, data: bytes, least: int, most: int) -> None:
    """Append what is missing behind whatever was kept, and commit all of `data`."""
    upload = driver.upload(TOKEN)
    size = await upload.size()
    assert least <= size <= most

    await upload.append(pieces(data[size:]), size)
    await upload.commit("b", len(data))

    assert ends(await find(driver, "b")) == ends(data)
    assert await keys(driver) == ["b"]


async def _compete(one: Driver, other: Driver) -> None:
    for turn in range(10):
        token = f"u/{turn}"
        possible = await _append_twice(one.upload(token), other.upload(token), one)

        size = await one.upload(token).size()
        await one.upload(token).commit(f"b/{turn}", size)
        assert ends(await get(one, f"b/{turn}")) in {ends(data) for data in possible}


async def _append_twice(one: Upload, other: Upload, driver: Driver) -> list[bytes]:
    """Append two contents behind the same beginning at once; what may be there afterwards."""
    first = content(1000, seed=1)
    await one.append(pieces(first), 0)
    added = [content(40_000, seed=2), content(50_000, seed=3)]
    outcomes = await asyncio.gather(
        *(
            upload.append(pieces(data, 10_000), len(first))
            for upload, data in zip((one, other), added, strict=True)
        ),
        return_exceptions=True,
    )

    assert all(isinstance(outcome, int | OffsetError) for outcome in outcomes), outcomes
    won = [d for d, end in zip(added, outcomes, strict=True) if isinstance(end, int)]
    assert len(won) == 1 or (won and not driver.exclusive_create)
    return [first + data for data in won]
