"""What nothing leads to any more: the marking half of garbage collection.

Both functions only read. Any error of the storage, other than that an object is absent, comes
out of them and means: delete nothing.

What is given is in this order: revision links, then layer links, each by repository and
digest, then blobs by digest. Deleted in that order, nothing that is left points to nothing,
wherever it ends. Whoever keeps a condemned layer link after all keeps its blob by that, too.

Reachable are: every manifest that has a link in its repository, or, with rules for untagged
ones, those that tags lead to, that are young or that the rules keep; the children of an index;
what is attached by `subject` to something reachable, and the subject of such a thing. A
manifest needs in its repository its own link and the links to its content, and on the store
the bytes of all that. A young link and young bytes stay, and so do the bytes that any staying
link says. A repository of which a manifest cannot be read is left alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import ExitStack, aclosing
from functools import partial
from typing import Literal

from entrepot.core import inventory
from entrepot.core.collecting.marking_repository import RepositoryMark
from entrepot.core.collecting.marking_scans import Shard, shards, unneeded_blobs
from entrepot.core.collecting.marking_terms import Garbage, LeftAlone, MarkOptions, MarkReport
from entrepot.core.collecting.marking_turns import in_order
from entrepot.core.collecting.reachable import ManifestReader
from entrepot.core.collecting.spill import Records, Spill, unpacked
from entrepot.core.collecting.untagged import Untagged
from entrepot.core.concurrency import WIDTH, each
from entrepot.core.driver import Driver

__all__ = ["Garbage", "LeftAlone", "MarkOptions", "MarkReport", "Untagged", "spared", "unreachable"]

_KINDS = ("revision", "layer", "blob")
_REASONS = {
    "revision": "no tag leads to it and no rule keeps it",
    "layer": "no manifest of the repository needs it",
    "blob": "no repository needs it",
}


async def unreachable(
    driver: Driver, options: MarkOptions, report: MarkReport
) -> AsyncGenerator[Garbage, None]:
    """What nothing leads to and is old enough, in the module's order.

    Memory does not grow with the store but by some hundred bytes for each manifest of the
    largest repository; parts that do not fit are temporary files of this machine. Everything
    is listed once, and every manifest read once in each of its repositories at most.

    Raises StorageError: and then nothing that it gave may be deleted.
    """
    with Spill() as needed, Records() as revisions, Records() as layers:
        marks = RepositoryMark(driver, options, ManifestReader(driver), needed, report)
        names = inventory.repositories(driver, "_layers", "_manifests")
        async with aclosing(names), aclosing(in_order(marks.mark, names, WIDTH)) as marked:
            async for found in marked:
                for links, digests in ((revisions, found.revisions), (layers, found.layers)):
                    if digests:
                        links.add(found.name.text.encode(), digests)
        for one in _links("revision", revisions):
            yield one
        for one in _links("layer", layers):
            yield one
        async with aclosing(_blobs(driver, options, needed, report)) as unneeded:
            async for one in unneeded:
                yield one


async def spared(
    driver: Driver, options: MarkOptions, condemned: AsyncIterable[Garbage], report: MarkReport
) -> AsyncGenerator[Garbage, None]:
    """Which of the condemned are reachable now, or were written since, in the same order.

    `options` are those of the mark that condemned, with its `now`: so whatever was written
    since then is spared. `condemned` comes in the order in which `unreachable` gave it, with
    any gaps; what is out of order is spared, too. Marks the whole store again.

    Raises StorageError: and then all of them must be spared.
    """
    async with aclosing(unreachable(driver, options, report)) as still:
        current = await anext(still, None)
        async for one in condemned:
            place = _place(one)
            while current is not None and _place(current) < place:
                current = await anext(still, None)
            if current is None or _place(current) != place:
                yield one


def _place(one: Garbage) -> tuple[int, list[str], str, str]:
    return _KINDS.index(one.kind), one.repository.split("/"), one.digest.algorithm, one.digest.hex


def _links(kind: Literal["revision", "layer"], records: Records) -> Iterator[Garbage]:
    for name, digests in records:
        for digest in digests:
            yield Garbage(kind, name.decode(), unpacked(digest), 0, _REASONS[kind])


async def _blobs(
    driver: Driver, options: MarkOptions, needed: Spill, report: MarkReport
) -> AsyncGenerator[Garbage, None]:
    """Blobs that are not needed, out of parts of the store that are listed side by side."""

    def count(number: int) -> None:
        report.blobs += number

    async def find(part: tuple[Shard, Records]) -> None:
        shard, found = part
        among = partial(needed.between, shard.start, shard.stop)
        async with aclosing(unneeded_blobs(driver, shard, among, count)) as blobs:
            async for blob in blobs:
                if blob.modified < options.oldest_young:
                    found.add(blob.size.to_bytes(8), (blob.digest,))

    with ExitStack() as stack:
        parts = [(shard, stack.enter_context(Records())) for shard in shards()]
        await each(find, parts)
        for _, unneeded in parts:
            for size, digests in unneeded:
                freed = int.from_bytes(size)
                yield Garbage("blob", "", unpacked(digests[0]), freed, _REASONS["blob"])
