"""What one repository's pushes keep from the collectors: a manifest with all it leads to.

A revision link that stays needs all its manifest names to stay. So what it names is settled
before it: whoever dies in between leaves content that nothing leads to, and never the reverse.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TypeVar

from entrepot.core import layout
from entrepot.core.collecting.condemned import Condemned
from entrepot.core.collecting.reachable import DamagedError, references
from entrepot.core.collecting.spill import unpacked
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import DigestInvalidError, NotFoundError
from entrepot.core.links import read_link
from entrepot.core.manifest import LIMIT, Manifest
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.streams import gather

ResultT = TypeVar("ResultT")


class Keeping:
    def __init__(self, driver: Driver, name: RepositoryName, condemned: Condemned) -> None:
        self._driver = driver
        self._name = name
        self._condemned = condemned

    async def push(self, parsed: Manifest, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Do what makes a manifest reachable, with all it leads to kept; see `promptly`."""
        return await self._condemned.promptly(lambda: self.keep(parsed), work)

    async def receive(
        self, digest: Digest, stored: Digest, work: Callable[[], Awaitable[ResultT]]
    ) -> ResultT:
        """Do what gives the repository a blob; see `promptly`."""
        return await self._condemned.promptly(lambda: self.keep_blob(digest, stored), work)

    async def is_condemned(self, digest: Digest, stored: Digest) -> bool:
        """Whether a push must not count on a blob that is there."""
        return await self._condemned.holds(*self._of_blob(digest, stored))

    async def keep_blob(self, digest: Digest, stored: Digest) -> None:
        await self._condemned.settle(self._of_blob(digest, stored))

    async def keep(self, parsed: Manifest) -> None:
        """Settle the keys of a manifest, and of those it leads to that are condemned.

        Those are its children, subject and referrers, and theirs. Costs nothing without a run.
        """
        if not await self._condemned.is_any():
            return
        named = [Digest.parse(one.digest) for one in (*parsed.blobs, *parsed.manifests)]
        waiting = [(parsed.digest, named, parsed.subject)]
        met = {str(parsed.digest): parsed.digest}
        while waiting:
            digest, content, subject = waiting.pop()
            for one in content:
                await self.keep_blob(one, await self._stored(one))
            async with aclosing(self._attached(digest)) as attached:
                further = [*content, *([subject] if subject else []), *[d async for d in attached]]
            for one in further:
                if str(one) not in met and await self._is_listed(one):
                    met[str(one)] = one
                    waiting.append((one, *await self._read(one)))
        await self._settle([layout.blob(digest) for digest in met.values()])
        await self._settle([layout.revision_link(self._name, d) for d in reversed(met.values())])

    async def _settle(self, keys: Iterable[str]) -> None:
        for key in keys:
            await self._condemned.settle([key])

    async def _attached(self, subject: Digest) -> AsyncGenerator[Digest, None]:
        prefix = layout.referrers(self._name, subject)
        async with aclosing(self._driver.scan(prefix)) as entries:
            async for entry in entries:
                if isinstance(entry, Entry) and (digest := _referrer(entry.key, prefix)):
                    yield digest

    async def _is_listed(self, digest: Digest) -> bool:
        return await self._condemned.names(layout.revision_link(self._name, digest))

    async def _read(self, digest: Digest) -> tuple[list[Digest], Digest | None]:
        """Content and subject of a manifest; nothing, if it is gone or damaged."""
        stored = await read_link(self._driver, layout.revision_link(self._name, digest))
        try:
            content = await gather(self._driver, layout.blob(stored or digest), LIMIT)
            found = references(content, digest)
        except (NotFoundError, DamagedError):
            return [], None
        subject = None if found.subject is None else unpacked(found.subject)
        return [unpacked(one) for one in found.content], subject

    async def _stored(self, digest: Digest) -> Digest:
        """Where the bytes are: Distribution keeps what came under another digest as sha256."""
        if digest.algorithm == "sha256":
            return digest
        link = await read_link(self._driver, layout.layer_link(self._name, digest))
        return link or digest

    def _of_blob(self, digest: Digest, stored: Digest) -> list[str]:
        return [
            key
            for one in dict.fromkeys((digest, stored))
            for key in (layout.blob(one), layout.layer_link(self._name, one))
        ]


def _referrer(key: str, prefix: str) -> Digest | None:
    """The manifest whose descriptor a key holds."""
    parts = key.removeprefix(prefix).split("/")
    try:
        return Digest.parse(f"{parts[0]}:{parts[1]}")
    except (DigestInvalidError, IndexError):
        return None
