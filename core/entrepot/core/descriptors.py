"""What is remembered of blobs, so that a pull need not ask the store again and again.

It answers pulls only. Whether a push may skip a blob is always asked of the store: there, an
entry that is out of date would lose an image.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from entrepot.core.names import Digest

LINK_SECONDS = 10.0
"""For how long a link that was seen counts as there: a deletion elsewhere takes effect within."""

UNBOUNDED = 1_000_000
"""Entries where the configuration sets no bound: some 300 MiB."""


class SharedSizes(Protocol):
    """Sizes of blobs in bytes, shared by replicas: a hint that is checked against what is read.

    None of the methods raises or takes long, whatever is wrong with what holds the sizes.
    """

    errors: int
    """Requests that could not be answered properly."""

    async def get(self, stored: Digest) -> int | None: ...

    def put(self, stored: Digest, size: int) -> None: ...

    def drop(self, stored: Digest) -> None: ...


class Descriptors:
    """Links and sizes of blobs, `most` of each, the longest unused leaving first; 0: none.

    A link counts for `seconds` after it was seen in the store, and not after `drop_link`. A
    size is for ever: it belongs to a digest. `hits` and `misses` count what pulls asked for.
    """

    def __init__(
        self,
        most: int = 0,
        shared: SharedSizes | None = None,
        *,
        seconds: float = LINK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hits = 0
        self.misses = 0
        self._most = most
        self._shared = shared
        self._seconds = seconds
        self._clock = clock
        self._links: OrderedDict[str, tuple[Digest, float]] = OrderedDict()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._drops = 0

    @property
    def errors(self) -> int:
        """Requests that what is shared could not answer."""
        return self._shared.errors if self._shared is not None else 0

    @property
    def drops(self) -> int:
        """How many links were dropped; ask before a link is read that is to be kept."""
        return self._drops

    def link(self, key: str) -> Digest | None:
        """What the link says that was seen a short time ago; None: ask the store."""
        found = self._links.get(key)
        if found is not None and found[1] > self._clock():
            self.hits += 1
            return found[0]
        if self._most:
            self.misses += 1
        return None

    def keep_link(self, key: str, stored: Digest, drops: int) -> None:
        """Keep what was read, unless a link was dropped since there were `drops` of them.

        It may be the one that was read, just before it was deleted.
        """
        if not self._most or drops != self._drops:
            return
        self._links[key] = (stored, self._clock() + self._seconds)
        self._links.move_to_end(key)
        if len(self._links) > self._most:
            self._links.popitem(last=False)

    def drop_link(self, key: str) -> None:
        """It is being deleted, or was: to be called before and after."""
        self._drops += 1
        self._links.pop(key, None)

    def size(self, stored: Digest) -> int | None:
        """What this process saw."""
        found = self._sizes.get(stored.hex)
        if found is not None:
            self._sizes.move_to_end(stored.hex)
        return found

    async def shared_size(self, stored: Digest) -> int | None:
        """What somebody wrote where replicas share it; it may be wrong."""
        return None if self._shared is None else await self._shared.get(stored)

    def keep_size(self, stored: Digest, size: int) -> None:
        """Keep what the store said."""
        if not self._most or self._sizes.get(stored.hex) == size:
            return
        self._sizes[stored.hex] = size
        if len(self._sizes) > self._most:
            self._sizes.popitem(last=False)
        if self._shared is not None:
            self._shared.put(stored, size)

    def drop_size(self, stored: Digest) -> None:
        """The bytes are not there, or are not as many."""
        self._sizes.pop(stored.hex, None)
        if self._shared is not None:
            self._shared.drop(stored)
