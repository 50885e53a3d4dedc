"""The deletion of a run's batches, each by whoever wins its claim."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeVar

from entrepot.core.collecting import runs
from entrepot.core.collecting.hashed import HashedKeys
from entrepot.core.collecting.marking import Garbage
from entrepot.core.collecting.runs import RESCUED, Claim, Run
from entrepot.core.collecting.timing import ACT, DEAD, DELETION, HELP, Timing
from entrepot.core.concurrency import each
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import (
    AccessError,
    DeleteError,
    NotFoundError,
    StorageError,
    UnavailableError,
)
from entrepot.core.streams import once

_LOG = logging.getLogger("entrepot.collecting")
_COLLECTOR = b"collector "

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of a batch: `kept` was rescued or is spared, `failed` is there still.

    It is `settled` when no collector deletes anything of it any more.
    """

    deleted: Sequence[Garbage] = ()
    kept: Sequence[Garbage] = ()
    failed: Sequence[Garbage] = ()
    is_settled: bool = True
    is_over: bool = False  # the run, ended by another collector


@dataclass(slots=True)
class _Claims:
    """The positions of a batch by who decides about them."""

    own: list[int] = field(default_factory=list[int])
    theirs: list[int] = field(default_factory=list[int])
    rescued: list[int] = field(default_factory=list[int])
    others: list[Claim] = field(default_factory=list[Claim])


class Sweeper:
    """Deletes what a run condemned; `owner` names this collector in its claims."""

    def __init__(self, driver: Driver, run: Run, spared: HashedKeys, owner: str, timing: Timing):
        self._driver = driver
        self._run = run
        self._spared = spared
        self._owner = owner
        self._timing = timing

    async def sweep(self, number: int, keep: Collection[str] = ()) -> Swept:
        """Delete a batch, but what is spared and digests in `keep`, if it is ours to delete.

        Once it deletes, it is not interrupted: cancelled, it ends the batch first. What is
        claimed by another collector that may be dead is deleted, too, unless that one is done
        with it, because nobody relies on it before; only that collector's `done`, or its age,
        settles it, and as long as somebody helps, the `done` does not.

        Raises StorageError.
        """
        try:
            batch = await runs.read_batch(self._driver, self._run, number)
        except NotFoundError:
            return Swept(is_over=True)
        done = await runs.content_of(self._driver, self._run.done(number))
        if done is not None:
            return self._ended(batch, done)
        return await _unbroken(self._sweep(number, batch, keep))

    async def _sweep(self, number: int, batch: list[Garbage], keep: Collection[str]) -> Swept:
        began = self._timing.clock()
        wanted = [
            position
            for position, one in enumerate(batch)
            if one.key not in self._spared and str(one.digest) not in keep
        ]
        claims = await self._claim(number, batch, wanted)
        is_helping = await self._begin_help(number, claims.others)
        ended = await self._has_ended(number, batch, claims.others)
        if ended is not None:
            await self._end_help(number, is_helping=is_helping)
            return ended
        doomed = claims.own + (claims.theirs if is_helping else [])
        late = self._timing.clock() - began > ACT
        failures = {} if late else await self._delete([batch[at].key for at in doomed])
        left = [at for at in doomed if late or batch[at].key in failures]
        certain = all(isinstance(failure, AccessError) for failure in failures.values())
        await self._end_help(number, is_helping=is_helping and certain)
        is_settled = certain and not claims.others
        if is_settled:
            content = json.dumps({"left": left, "kept": self._kept(batch, wanted, claims)})
            await runs.create(self._driver, self._run.done(number), content.encode())
        gone = set(doomed) - set(left)
        return Swept(
            [batch[at] for at in sorted(gone)],
            [batch[at] for at in self._kept(batch, wanted, claims)],
            [batch[at] for at in range(len(batch)) if at in {*left, *claims.theirs} - gone],
            is_settled,
        )

    def _kept(self, batch: list[Garbage], wanted: list[int], claims: _Claims) -> list[int]:
        return sorted({*range(len(batch))} - {*wanted} | {*claims.rescued})

    async def _has_ended(
        self, number: int, batch: list[Garbage], others: Sequence[Claim]
    ) -> Swept | None:
        """What became of a batch that others are done with meanwhile; None: it is not ended.

        A run's marker goes before all else, so what is not there was not there while it was.
        """
        done = await runs.content_of(self._driver, self._run.done(number)) if others else None
        if not await runs.is_current(self._driver, self._run):
            return Swept(is_over=True)
        return None if done is None else self._ended(batch, done)

    def _ended(self, batch: list[Garbage], done: bytes) -> Swept:
        found: dict[str, list[int]] = json.loads(done)
        return Swept(
            kept=[batch[at] for at in found["kept"]], failed=[batch[at] for at in found["left"]]
        )

    async def _claim(self, number: int, batch: list[Garbage], wanted: list[int]) -> _Claims:
        """Try to win what decides about the wanted positions.

        A batch that has one claim is claimed even if we want nothing of it: another collector
        may, which kept other links.
        """
        found = _Claims()
        parts: list[tuple[Claim, list[int]]] = [(Claim.of(number, None), wanted)]
        if batch[0].kind == "revision":
            parts = [(Claim.of(number, at), [at]) for at in wanted]
        holders = await each(self._holder, [claim for claim, _ in parts])
        for (claim, positions), holder in zip(parts, holders, strict=True):
            getattr(found, holder).extend(positions)
            found.others += [claim] if holder == "theirs" else []
        return found

    async def _holder(self, claim: Claim) -> Literal["own", "theirs", "rescued"]:
        key = self._run.claim(claim)
        if await runs.create(self._driver, key, _COLLECTOR + self._owner.encode()):
            return "own"
        content = await runs.content_of(self._driver, key)
        return "rescued" if content in {RESCUED, None} else "theirs"

    async def _begin_help(self, number: int, others: Sequence[Claim]) -> bool:
        """Whether we may delete what others claimed; then pushes wait for us, too."""
        if not others or not await self._may_help(others):
            return False
        await self._driver.write(self._run.help(number, self._owner), once(b"collector"))
        return True

    async def _may_help(self, others: Sequence[Claim]) -> bool:
        """Whether nobody can take the claims of other collectors for dead within our time."""
        now = await runs.now(self._driver, self._owner)
        try:
            claimed = await each(self._driver.stat, map(self._run.claim, others))
        except NotFoundError:  # the run is over
            return False
        return now - min(entry.modified for entry in claimed) < HELP

    async def _end_help(self, number: int, *, is_helping: bool) -> None:
        if is_helping:
            await self._driver.delete([self._run.help(number, self._owner)])

    async def _delete(self, keys: Sequence[str]) -> dict[str, StorageError]:
        """Delete; gives the keys that may be there still."""
        try:
            async with asyncio.timeout(DELETION):
                await self._driver.delete(keys)
        except DeleteError as error:
            _LOG.warning("not all garbage was deleted: %s", error)
            return error.failures
        except StorageError as failure:
            _LOG.warning("garbage was not deleted: %s", failure)
            return dict.fromkeys(keys, failure)
        except TimeoutError:
            late = UnavailableError(keys[0], f"not deleted within {DELETION:g} s")
            return dict.fromkeys(keys, late)
        return {}

    async def is_settled(self, number: int, now: float) -> bool:
        """Whether no collector deletes anything of a batch any more, `now` by the store's clock."""
        if await runs.is_done(self._driver, self._run, number):
            return True
        prefix = self._run.claim(Claim.of(number, None))
        async with aclosing(self._driver.scan(prefix)) as entries:
            claims = [entry async for entry in entries if isinstance(entry, Entry)]
        young = [claim.key for claim in claims if now - claim.modified <= DEAD]
        contents = await each(partial(runs.content_of, self._driver), young)
        return all(content in {RESCUED, None} for content in contents)


async def _unbroken(work: Awaitable[ResultT]) -> ResultT:
    """Await work to its end, also when cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # it is retrieved, so nobody complains that it was not
        raise
