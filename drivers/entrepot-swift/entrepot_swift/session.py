"""One token for all requests, renewed before it ends and when Swift does not take it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from copy import copy

import httpx2

from entrepot.core import AccessError, StorageError
from entrepot_swift.errors import TRANSIENT, broken, patience, refused
from entrepot_swift.identity import Access, Question, answered, questions
from entrepot_swift.options import SwiftOptions
from entrepot_swift.pausing import pause


class Session:
    """Whoever needs a token while one is being got waits for that one, and for its failure."""

    def __init__(self, http: httpx2.AsyncClient, options: SwiftOptions) -> None:
        self._http = http
        self._options = options
        self._access: Access | None = None
        self._failure: StorageError | None = None
        self._tries = 0
        self._alone = asyncio.Lock()

    async def access(self) -> Access:
        """The token to use now.

        Raises AccessError: if the credentials are refused; UnavailableError: if nobody answers.
        """
        if self._access is not None and self._access.is_fresh:
            return self._access
        tries = self._tries
        async with self._alone:
            if self._access is not None and self._access.is_fresh:
                return self._access
            if tries != self._tries and self._failure is not None:
                raise copy(self._failure)  # each raised error gets a traceback of its own
            try:
                self._access = await self._asked()
            except StorageError as failure:
                self._failure = failure
                raise
            else:
                self._failure = None
                return self._access
            finally:
                self._tries += 1

    def refuse(self, access: Access) -> None:
        """Swift did not take its token; a newer one is kept."""
        if self._access is access:
            self._access = None

    async def _asked(self) -> Access:
        first, *others = questions(self._options)
        try:
            return await self._granted(first)
        except AccessError as refusal:
            for other in others:
                with suppress(StorageError):  # the first says more: most know but that
                    return await self._granted(other)
            raise refusal from None

    async def _granted(self, asked: Question) -> Access:
        attempt = 0
        while True:
            waiting = 0.0
            try:
                response = await self._http.request(
                    asked.method, asked.url, headers=dict(asked.headers), json=asked.json
                )
            except httpx2.HTTPError as error:
                failure: StorageError = broken("", error)
            else:
                if response.is_success:
                    return answered(self._options, response)
                failure = self._refusal(response)
                if response.status_code not in TRANSIENT:
                    raise failure
                waiting = patience(response)
            if attempt >= self._options.retries:
                raise failure
            await asyncio.sleep(pause(attempt, waiting))
            attempt += 1

    def _refusal(self, response: httpx2.Response) -> StorageError:
        url, status = self._options.authurl, response.status_code
        if status in (401, 403):
            who = self._options.username or self._options.applicationcredentialid
            return AccessError("", f"{url} refuses {who!r}: wrong credentials, project or domain")
        if status == 404:
            return AccessError("", f"{url}: no identity service; see `authurl` and `authversion`")
        failure = refused("", response, b"")
        failure.reason = f"{url}: {failure.reason}"
        return failure
