"""What `link` and `local_path` must do where a driver has them."""

from __future__ import annotations

import asyncio
import os
import urllib.request
from pathlib import Path

import pytest

from entrepot.core.driver import Driver
from entrepot.core.testing.material import LARGE, content, ends, put

_SECONDS = 600  # how long a link lives


class Serving:
    async def test_local_path_holds_the_objects_bytes(self, driver: Driver) -> None:
        for data in (b"", content(LARGE)):
            await put(driver, "a/b", data)
            path = driver.local_path("a/b")
            if path is None:
                pytest.skip("this driver has no local files")

            assert ends(await asyncio.to_thread(Path(path).read_bytes)) == ends(data)

    async def test_local_path_of_a_missing_object_is_no_file(self, driver: Driver) -> None:
        path = driver.local_path("a/b")

        assert path is None or not await asyncio.to_thread(os.path.exists, path)

    async def test_link_gets_the_object(self, driver: Driver) -> None:
        await put(driver, "a/b", content(LARGE))
        url = await driver.link("a/b", "GET", _SECONDS)
        if url is None:
            pytest.skip("this driver gives no links")

        status, _, body = await asyncio.to_thread(_fetch, url, "GET", {})

        assert status == 200
        assert ends(body) == ends(content(LARGE))

    async def test_link_gets_a_range(self, driver: Driver) -> None:
        await put(driver, "a/b", content(1000))
        url = await driver.link("a/b", "GET", _SECONDS)
        if url is None:
            pytest.skip("this driver gives no links")

        status, _, body = await asyncio.to_thread(_fetch, url, "GET", {"Range": "bytes=10-19"})

        assert status == 206
        assert body == content(1000)[10:20]

    async def test_link_for_head_tells_the_size(self, driver: Driver) -> None:
        await put(driver, "a/b", content(1000))
        url = await driver.link("a/b", "HEAD", _SECONDS)
        if url is None:
            pytest.skip("this driver gives no links for HEAD")

        status, length, _ = await asyncio.to_thread(_fetch, url, "HEAD", {})

        assert (status, length) == (200, "1000")


def _fetch(url: str, method: str, headers: dict[str, str]) -> tuple[int, str | None, bytes]:
    """Status, Content-Length and body, as a client that knows nothing but the URL gets them."""
    assert url.startswith(("http://", "https://")), url
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 - checked
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - checked
        return answer.status, answer.headers["Content-Length"], answer.read()
