"""What must be there after a call was cancelled, wherever it was: clients go at any moment."""

from __future__ import annotations

from entrepot.core.driver import Driver
from entrepot.core.testing.bounds import Bounds
from entrepot.core.testing.material import (
    LARGE,
    TOKEN,
    TURNS,
    cancel_after,
    content,
    ends,
    find,
    get,
    keys,
    pieces,
    put,
    within,
)


class Cancelling(Bounds):
    async def test_copy_cancelled_leaves_the_target_whole(self, driver: Driver) -> None:
        old, new = content(1000, seed=1), content(LARGE)
        await put(driver, "a", new)

        for turns in TURNS:
            await put(driver, "b", old)
            await cancel_after(turns, driver.copy("a", "b"))

            assert ends(await find(driver, "b")) in {ends(old), ends(new)}
            assert await keys(driver) == ["a", "b"]

    async def test_move_cancelled_keeps_the_content(self, driver: Driver) -> None:
        """Under its old name, its new one, or both."""
        data = content(LARGE)

        for turns in TURNS:
            await put(driver, "a", data)
            await cancel_after(turns, driver.move("a", "b"))

            found = {ends(await find(driver, key)) for key in await keys(driver)}
            assert found == {ends(data)}
            await driver.delete(["a", "b"])

    async def test_upload_cancelled_commit_keeps_the_content(self, driver: Driver) -> None:
        """As the object, or as the upload, which is then committed by the next attempt."""
        data = content(LARGE)

        for turns in TURNS:
            upload = driver.upload(TOKEN)
            await upload.append(pieces(data[: LARGE // 2]), 0)
            await upload.append(pieces(data[LARGE // 2 :]), LARGE // 2)
            await cancel_after(turns, upload.commit("b", LARGE))

            if await find(driver, "b") is None:
                await driver.upload(TOKEN).commit("b", LARGE)
            assert ends(await get(driver, "b")) == ends(data)
            await driver.upload(TOKEN).abort()
            assert await keys(driver) == ["b"]
            await driver.delete(["b"])

    async def test_delete_cancelled_can_be_repeated(self, driver: Driver) -> None:
        named = [f"a/{number}" for number in range(10)]

        for turns in TURNS:
            for key in [*named, "b"]:
                await put(driver, key)
            await cancel_after(turns, driver.delete(named))

            async with within(self.patience, "what a cancelled delete held is never released"):
                await driver.delete(named)
            assert await keys(driver) == ["b"]
