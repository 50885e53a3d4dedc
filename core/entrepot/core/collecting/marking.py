"""What nothing leads to any more: the marking half of garbage collection.

Both functions only read. Any error of the storage, other than that an object is absent, comes
out of them and means: delete nothing.

What is given is in this order: revision links, then layer links, each by repository and
digest, then blobs by digest. Deleted in that order, nothing that is left points to nothing,
wherever it ends. Whoever keeps a condemned layer link after all keeps its blob by that, too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable

from entrepot.core.collecting.marking_terms import Garbage, LeftAlone, MarkOptions, MarkReport
from entrepot.core.collecting.untagged import Untagged
from entrepot.core.driver import Driver

__all__ = ["Garbage", "LeftAlone", "MarkOptions", "MarkReport", "Untagged", "spared", "unreachable"]


async def unreachable(
    driver: Driver, options: MarkOptions, report: MarkReport
) -> AsyncGenerator[Garbage, None]:
    """What nothing leads to and is old enough, in the module's order.

    Memory does not grow with the store; parts that do not fit are temporary files.

    Raises StorageError: and then nothing that it gave may be deleted.
    """
    raise NotImplementedError
    yield


async def spared(
    driver: Driver, options: MarkOptions, condemned: AsyncIterable[Garbage], report: MarkReport
) -> AsyncGenerator[Garbage, None]:
    """Which of the condemned are reachable now, or were written since, in the same order.

    `options` are those of the mark that condemned, with its `now`: so whatever was written
    since then is spared. `condemned` comes in the order in which `unreachable` gave it, with
    any gaps; what is out of order is spared, too. Marks the whole store again.

    Raises StorageError: and then all of them must be spared.
    """
    raise NotImplementedError
    yield
