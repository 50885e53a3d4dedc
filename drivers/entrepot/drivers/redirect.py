"""Sends clients for blobs to another server than the store: a CDN, a file server, a proxy."""

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


def base_url(given: str) -> str:
    """A URL that paths can be appended to, without a slash at its end.

    Raises ValueError: with what to write instead.
    """
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


class RedirectOptions(MiddlewareOptions):
    """Options of the redirect middleware."""

    baseurl: str = Field(
        description="Where clients find the content of the driver's rootdirectory, like "
        "https://cdn.example.com/registry; the object's path is appended."
    )

    @field_validator("baseurl")
    @classmethod
    def _is_base(cls, given: str) -> str:
        return base_url(given)


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


class RewriteOptions(MiddlewareOptions):
    """Options of the rewrite middleware; what is empty stays as it is."""

    scheme: Literal["", "http", "https"] = Field(
        default="", description="http or https, in place of the one that the driver gives."
    )
    host: str = Field(
        default="", description="Host and port, in place of those that the driver gives."
    )
    trimpathprefix: str = Field(
        default="", description="What is cut off the path where it begins so, like /bucket."
    )

    @field_validator("host")
    @classmethod
    def _is_host(cls, given: str) -> str:
        if given and urlsplit(f"//{given}").netloc != given:
            raise ValueError("write host and port alone, like cdn.example.com:8443")
        if "@" in given or _UNFIT.search(given):
            raise ValueError("a host has no user, no spaces and only ASCII characters")
        return given


class RewriteDriver(WrappingDriver):
    """A driver whose links are changed; what signs the host as well will not be valid then."""

    def __init__(self, driver: Driver, options: RewriteOptions) -> None:
        super().__init__(driver)
        self._options = options

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        given = await super().link(key, method, seconds)
        if given is None:
            return None
        url = urlsplit(given)
        path = url.path.removeprefix(self._options.trimpathprefix)
        if not path.startswith("/"):
            path = f"/{path}"
        scheme, host = self._options.scheme or url.scheme, self._options.host or url.netloc
        return url._replace(scheme=scheme, netloc=host, path=path).geturl()


@asynccontextmanager
async def open_rewrite(options: RewriteOptions, driver: Driver) -> AsyncGenerator[Driver, None]:
    yield RewriteDriver(driver, options)


@hookimpl
def register_storage_middlewares(register: RegisterStorageMiddleware) -> None:
    register("redirect", open_redirect, RedirectOptions)
    register("rewrite", open_rewrite, RewriteOptions)
