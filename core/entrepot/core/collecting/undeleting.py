"""What a collection is about to delete, taken back until it does."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from entrepot.core import layout, manifest
from entrepot.core.collecting import runs
from entrepot.core.collecting.marking import Garbage
from entrepot.core.collecting.runs import RESCUED, Claim, Plan, Run
from entrepot.core.concurrency import each
from entrepot.core.driver import Driver
from entrepot.core.errors import BlobUnknownError, ManifestInvalidError, NotFoundError
from entrepot.core.listing import exists
from entrepot.core.manifest import Manifest
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.registry import Registry
from entrepot.core.streams import gather


@dataclass(frozen=True, slots=True)
class Rescued:
    """How many keys the runs under way will leave, and how many they have taken already."""

    kept: int = 0
    lost: int = 0


async def rescue_all(driver: Driver) -> Rescued:
    """Keep everything that the runs under way condemned, and did not delete yet.

    The next run may condemn it again.
    """
    kept = lost = 0
    for run, _ in await runs.current(driver):
        plan = await runs.read_plan(driver, run)
        for number in range(sum(plan.batches.values())):
            found = await _rescue_batch(driver, run, plan, number)
            kept, lost = kept + found.kept, lost + found.lost
    return Rescued(kept, lost)


async def condemned(driver: Driver, digest: Digest) -> AsyncGenerator[Garbage, None]:
    """What the runs under way condemned of this digest. Costs reading their lists."""
    for run, _ in await runs.current(driver):
        plan = await runs.read_plan(driver, run)
        async with aclosing(runs.condemned(driver, run, plan)) as garbage:
            async for one in garbage:
                if one.digest == digest:
                    yield one


async def rescue(registry: Registry, one: Garbage) -> None:
    """Keep one key, and for a link all that it leads to; links are young again.

    Raises BlobUnknownError, ManifestBlobUnknownError: if it, or something of it, is gone.
    """
    if one.kind != "blob":
        await restore(registry, RepositoryName.parse(one.repository), one.digest)
        return
    await registry.condemned.settle([one.key])
    if not await exists(registry.driver, one.key):
        raise BlobUnknownError(f"{one.digest} is deleted already")


async def restore(registry: Registry, name: RepositoryName, digest: Digest) -> None:
    """Give a repository a manifest or blob whose bytes the store still has, with all it names.

    Raises BlobUnknownError: if its bytes are gone; ManifestBlobUnknownError: if those of what
    it names are.
    """
    repository = registry.repository(name)
    waiting, found = [digest], list[Manifest]()
    seen = {str(digest)}
    while waiting:
        one = waiting.pop()
        parsed = await _manifest(registry.driver, one)
        if parsed is None:
            if await repository.blobs.mount(one, None) is None and one == digest:
                raise BlobUnknownError(f"the store has no {one}: it is deleted already")
            continue
        found.append(parsed)
        for named in (*parsed.blobs, *parsed.manifests):
            if named.digest not in seen:
                seen.add(named.digest)
                waiting.append(Digest.parse(named.digest))
    for parsed in reversed(found):
        await repository.manifests.put(parsed.digest, parsed.content, None)


async def _manifest(driver: Driver, digest: Digest) -> Manifest | None:
    """What may be pushed as a manifest; None: it is something else, or gone."""
    key = layout.blob(digest)
    try:
        if (await driver.stat(key)).size > manifest.LIMIT:
            return None
        return manifest.parse(await gather(driver, key, manifest.LIMIT), None, digest)
    except (NotFoundError, ManifestInvalidError):
        return None


async def _rescue_batch(driver: Driver, run: Run, plan: Plan, number: int) -> Rescued:
    batch = await runs.read_batch(driver, run, number)
    if await exists(driver, run.done(number)):
        return Rescued()
    positions: list[int | None] = [None]
    if plan.kind(number) == "revision":
        positions = list(range(len(batch)))
    claims = [run.claim(Claim.of(number, position)) for position in positions]

    async def rescue(key: str) -> bool:
        if await runs.create(driver, key, RESCUED):
            return True
        return await runs.content_of(driver, key) == RESCUED

    won = sum(await each(rescue, claims))
    share = len(batch) // len(claims)
    return Rescued(won * share, (len(claims) - won) * share)
