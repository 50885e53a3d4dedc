"""Sends clients for blobs to another server over the same store: a CDN, a file server."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from entrepot.core import (
    Driver,
    MiddlewareOptions,
    RegisterStorageMiddleware,
    WrappingDriver,
    hookimpl,
)

_UNFIT = re.compile(r"[^!#-;=?-~]")  # what has to be written as %XX in a URL


class RedirectOptions(MiddlewareOptions):
    """Options of the redirect middleware."""

    baseurl: str = Field(
        description="Where clients find the content of the driver's rootdirectory, like "
        "https://cdn.example.com/registry; the object's path is appended."
    )

    @field_validator("baseurl")
    @classmethod
    def _is_base(cls, given: str) -> str:
        try:
            url = urlsplit(given)
            host, _ = url.hostname, url.port
        except ValueError as error:
            raise ValueError(f"no URL: {error}") from None
        if url.scheme.lower() not in {"http", "https"} or not host:
            raise ValueError("write it with scheme and host, like https://cdn.example.com/path")
        if "@" in url.netloc:
            raise ValueError("remove user and password: every client would be told them")
        if "?" in given or "#" in given:
            raise ValueError("remove what begins with ? or #: paths are appended to the URL")
        if _UNFIT.search(given):
            raise ValueError("a URL has no spaces and only ASCII characters; write others as %XX")
        return given.rstrip("/")


class RedirectDriver(WrappingDriver):
    """Any driver, whose objects are also found under `base`, a URL without a slash at its end.

    A driver's own links are not asked for.
    """

    def __init__(self, driver: Driver, base: str) -> None:
        super().__init__(driver)
        self._base = base

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        return f"{self._base}/{key}"


@asynccontextmanager
async def open_redirect(options: RedirectOptions, driver: Driver) -> AsyncGenerator[Driver, None]:
    yield RedirectDriver(driver, options.baseurl)


@hookimpl
def register_storage_middlewares(register: RegisterStorageMiddleware) -> None:
    register("redirect", open_redirect, RedirectOptions)
