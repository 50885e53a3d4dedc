"""Where the bytes of something damaged may come from."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError, RegistryError, StorageError
from entrepot.core.names import Digest, RepositoryName


class SourceError(RegistryError):
    """A source cannot give what is asked of it; the text is a reason for people."""


class Source(Protocol):
    """A registry that may still have what this store lost.

    `needs_repository`: it gives content only by the repository that holds it.
    """

    needs_repository: bool

    def blob(self, name: RepositoryName | None, digest: Digest) -> AsyncGenerator[bytes, None]:
        """Bytes of a blob, unverified. Raises SourceError."""
        ...

    def manifest(self, name: RepositoryName | None, digest: Digest) -> AsyncGenerator[bytes, None]:
        """Bytes of a manifest, unverified. Raises SourceError."""
        ...


class DriverSource:
    """The store of another registry, read past that."""

    needs_repository = False

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def blob(
        self, name: RepositoryName | None, digest: Digest
    ) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self._driver.read(layout.blob(digest))) as chunks:
                async for chunk in chunks:
                    yield chunk
        except NotFoundError:
            raise SourceError("the other store does not have it") from None
        except StorageError as error:
            raise SourceError(f"the other store: {error}") from error

    def manifest(self, name: RepositoryName | None, digest: Digest) -> AsyncGenerator[bytes, None]:
        return self.blob(name, digest)
