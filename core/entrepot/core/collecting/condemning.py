"""The lists of a run while its first mark goes on."""

from __future__ import annotations

from dataclasses import replace

from entrepot.core.collecting import runs
from entrepot.core.collecting.hashed import HashedKeys
from entrepot.core.collecting.marking import Garbage
from entrepot.core.collecting.runs import BATCH, KINDS, MOST, Claim, Plan, Run
from entrepot.core.driver import Driver


class Lists:
    """Writes a run's batches, and at the end what tells of them."""

    def __init__(self, driver: Driver, run: Run, plan: Plan) -> None:
        self.plan = plan
        self._driver = driver
        self._run = run
        self._batch: list[Garbage] = []
        self._keys: list[tuple[str, int]] = []

    async def add(self, one: Garbage) -> bool:
        """Whether there was place for it.

        Raises ValueError: if the kinds do not come in their order.
        """
        if self.plan.total == MOST:
            self.plan = replace(self.plan, is_full=True)
            return False
        if self._batch and (self._batch[0].kind != one.kind or len(self._batch) == BATCH):
            await self._flush()
        later = KINDS[KINDS.index(one.kind) + 1 :]
        if any(self.plan.batches[kind] for kind in later):
            raise ValueError(f"a {one.kind} behind a {later}")
        position = len(self._batch) if one.kind == "revision" else None
        self._batch.append(one)
        number = sum(self.plan.batches.values())
        self._keys.append((one.key, Claim.of(number, position).number))
        self.plan.keys[one.kind] += 1
        self.plan = replace(self.plan, bytes=self.plan.bytes + one.size)
        return True

    async def end(self) -> None:
        await self._flush()
        if self.plan.total:
            await runs.write_plan(self._driver, self._run, self.plan)
            index = HashedKeys.of(self._run.id, self._keys)
            await self._driver.write(self._run.index, index.dump())

    async def _flush(self) -> None:
        if self._batch:
            number = sum(self.plan.batches.values())
            await runs.write_batch(self._driver, self._run, number, self._batch)
            self.plan.batches[self._batch[0].kind] += 1
            self._batch = []
