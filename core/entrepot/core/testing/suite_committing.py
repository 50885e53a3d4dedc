"""How an upload ends: what `commit` and `abort` must do."""

from __future__ import annotations

import pytest

from entrepot.core.driver import Driver
from entrepot.core.errors import OffsetError
from entrepot.core.testing.material import LARGE, TOKEN, content, get, keys, pieces, put


class Committing:
    async def test_upload_commit_at_a_wrong_size(self, driver: Driver) -> None:
        await put(driver, "b", b"old")
        upload = driver.upload(TOKEN)
        await upload.append(pieces(b"content"), 0)

        for size in (0, 6, 8):
            with pytest.raises(OffsetError):
                await upload.commit("b", size)

        assert await get(driver, "b") == b"old"
        assert await upload.size() == 7
        await upload.commit("b", 7)
        assert await get(driver, "b") == b"content"

    async def test_upload_commit_without_append(self, driver: Driver) -> None:
        entry = await driver.upload(TOKEN).commit("b", 0)

        assert (entry.key, entry.size) == ("b", 0)
        assert await get(driver, "b") == b""
        assert await keys(driver) == ["b"]

    async def test_upload_commit_that_never_began_at_a_wrong_size(self, driver: Driver) -> None:
        with pytest.raises(OffsetError):
            await driver.upload(TOKEN).commit("b", 4)

        assert await keys(driver) == []

    async def test_upload_commit_replaces(self, driver: Driver) -> None:
        await put(driver, "b", b"old and longer")
        upload = driver.upload(TOKEN)
        await upload.append(pieces(b"new"), 0)

        await upload.commit("b", 3)

        assert await get(driver, "b") == b"new"

    async def test_upload_commit_leaves_nothing_but_the_object(self, driver: Driver) -> None:
        upload = driver.upload(TOKEN)
        for at in (0, 4, 8):
            await upload.append(pieces(b"some"), at)

        await upload.commit("b", 12)

        assert await keys(driver) == ["b"]
        assert await driver.upload(TOKEN).size() == 0

    async def test_upload_commit_is_the_end(self, driver: Driver) -> None:
        upload = driver.upload(TOKEN)
        await upload.append(pieces(b"some"), 0)
        await upload.commit("b", 4)

        with pytest.raises(OffsetError):
            await upload.commit("c", 4)

        assert await upload.size() == 0
        assert await keys(driver) == ["b"]

    async def test_upload_commit_below_its_own_token(self, driver: Driver) -> None:
        """Where the core puts what it has to verify by reading."""
        await driver.upload(TOKEN).append(pieces(b"some"), 0)

        await driver.upload(TOKEN).commit(f"{TOKEN}/unverified", 4)

        assert await keys(driver) == [f"{TOKEN}/unverified"]
        assert await driver.upload(TOKEN).size() == 0

    async def test_upload_keeps_the_cores_objects_beside_it(self, driver: Driver) -> None:
        kept = [f"{TOKEN}/hashstates/sha256/4", f"{TOKEN}/startedat"]
        for key in kept:
            await put(driver, key, b"of the core")
        assert await driver.upload(TOKEN).size() == 0

        await driver.upload(TOKEN).append(pieces(b"some"), 0)
        await driver.upload(TOKEN).commit("b", 4)
        await driver.upload(TOKEN).append(pieces(b"some"), 0)
        await driver.upload(TOKEN).abort()

        assert await keys(driver) == [*kept, "b"]
        assert await get(driver, kept[1]) == b"of the core"

    async def test_upload_abort_frees_all(self, driver: Driver) -> None:
        upload = driver.upload(TOKEN)
        await upload.append(pieces(content(LARGE)), 0)
        await upload.append(pieces(b"some"), LARGE)

        await upload.abort()

        assert await upload.size() == 0
        assert await keys(driver) == []

    async def test_upload_abort_is_idempotent(self, driver: Driver) -> None:
        upload = driver.upload(TOKEN)
        await upload.abort()
        await upload.append(pieces(b"some"), 0)
        await upload.abort()
        await upload.abort()

        assert await upload.size() == 0

    async def test_upload_begins_anew_after_abort(self, driver: Driver) -> None:
        await driver.upload(TOKEN).append(pieces(b"wrong and longer"), 0)
        await driver.upload(TOKEN).abort()

        await driver.upload(TOKEN).append(pieces(b"right"), 0)
        await driver.upload(TOKEN).commit("b", 5)

        assert await get(driver, "b") == b"right"

    async def test_upload_ends_in_another_instance(self, driver: Driver, second: Driver) -> None:
        await driver.upload(TOKEN).append(pieces(b"some"), 0)

        await second.upload(TOKEN).abort()

        assert await driver.upload(TOKEN).size() == 0
        assert await keys(driver) == []
