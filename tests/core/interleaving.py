"""Every order in which a store may meet the operations of tasks that run side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from entrepot.core.driver import Driver, Entry, Prefix

_ACTOR: ContextVar[int] = ContextVar("actor")


@dataclass(frozen=True, slots=True)
class Step:
    """An operation of one task. `keys` are the prefix, of a scan."""

    actor: int
    verb: str
    keys: tuple[str, ...]
    since: int  # the step at which it began to wait
    turn: asyncio.Event = field(default_factory=asyncio.Event)

    def __str__(self) -> str:
        return f"{self.actor}: {self.verb} {' '.join(self.keys)}"

    def commutes(self, other: Step) -> bool:
        """Whether the store cannot tell which of the two came first."""
        if not {self.verb, other.verb} & {"write", "delete"}:
            return True
        return not any(self._meets(key, other) for key in self.keys)

    def _meets(self, key: str, other: Step) -> bool:
        return any(
            key == their
            or (self.verb == "scan" and their.startswith(key))
            or (other.verb == "scan" and key.startswith(their))
            for their in other.keys
        )


class Turns:
    """Lets one store operation happen at a time, in an order that is prescribed.

    `order` picks at each step one of the possible next ones by position, modulo their
    number; 0 beyond its end. `options` counts those, `steps` is what happened. Of orders
    that differ only in steps that commute, all but one are left out, or marked `redundant`.
    """

    def __init__(self, order: Sequence[int]) -> None:
        self.options: list[int] = []
        self.steps: list[Step] = []
        self.redundant = False
        self._order = order
        self._waiting: list[Step] = []

    async def take(self, verb: str, *keys: str) -> None:
        """Wait for the turn of the task that calls; outside of `run` it comes at once."""
        actor = _ACTOR.get(None)
        if actor is not None:
            step = Step(actor, verb, keys, len(self.steps))
            self._waiting.append(step)
            await step.turn.wait()

    async def run(self, *actors: Coroutine[Any, Any, Any]) -> list[Any]:
        """What each returned or raised, when all are done."""
        tasks = [asyncio.create_task(self._act(n, actor)) for n, actor in enumerate(actors)]
        while await self._settled(tasks):
            step = self._next()
            self._waiting.remove(step)
            self.steps.append(step)
            step.turn.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    async def _act(self, number: int, actor: Coroutine[Any, Any, Any]) -> Any:
        _ACTOR.set(number)
        return await actor

    async def _settled(self, tasks: Sequence[asyncio.Task[Any]]) -> bool:
        """Wait until every task is done or waits for its turn; whether any waits."""
        while self._running(tasks):  # noqa: ASYNC110 - that they run is what the sleep is for
            await asyncio.sleep(0)
        return bool(self._waiting)

    def _running(self, tasks: Sequence[asyncio.Task[Any]]) -> bool:
        waiting = {step.actor for step in self._waiting}
        return any(not task.done() and n not in waiting for n, task in enumerate(tasks))

    def _next(self) -> Step:
        waiting = sorted(self._waiting, key=lambda step: step.actor)
        useful = [step for step in waiting if not self._repeats(step)]
        self.redundant = self.redundant or not useful
        possible = useful or waiting
        at = len(self.options)
        self.options.append(len(possible))
        return possible[self._order[at] % len(possible) if at < len(self._order) else 0]

    def _repeats(self, step: Step) -> bool:
        """Whether the same comes about if this step is taken before the last one."""
        if not self.steps:
            return False
        last = self.steps[-1]
        return step.actor < last.actor and step.since < len(self.steps) and step.commutes(last)


class TurnsDriver(Driver):
    """A driver in front of another, whose operations each wait for their turn."""

    def __init__(self, driver: Driver, turns: Turns) -> None:
        self._driver = driver
        self._turns = turns

    async def stat(self, key: str) -> Entry:
        await self._turns.take("stat", key)
        return await self._driver.stat(key)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        await self._turns.take("read", key)
        async with aclosing(self._driver.read(key, start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = [chunk async for chunk in chunks]
        await self._turns.take("write", key)
        return await self._driver.write(key, _given(content), create=create)

    async def delete(self, keys: Sequence[str]) -> None:
        await self._turns.take("delete", *keys)
        await self._driver.delete(keys)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        await self._turns.take("scan", prefix)
        async with aclosing(self._driver.scan(prefix, after=after, delimiter=delimiter)) as entries:
            found = [entry async for entry in entries]
        for entry in found:
            yield entry


async def _given(content: Sequence[bytes]) -> AsyncGenerator[bytes, None]:
    for chunk in content:
        yield chunk


async def every_order(case: Callable[[Turns], Awaitable[None]]) -> int:
    """Run a case once for each order that the store can tell apart; gives their number.

    The case sets up a store, lets tasks run by the turns it is given, and asserts.
    """
    order: list[int] | None = []
    runs = 0
    while order is not None:
        turns = Turns(order)
        try:
            await case(turns)
        except AssertionError as error:
            error.add_note("\n".join(["in this order:", *map(str, turns.steps)]))
            raise
        runs += not turns.redundant
        order = _following(order, turns.options)
    return runs


def _following(order: Sequence[int], options: Sequence[int]) -> list[int] | None:
    """The order after this one, depth first."""
    taken = [*order, *[0] * (len(options) - len(order))]
    for at in reversed(range(len(taken))):
        if taken[at] + 1 < options[at]:
            return [*taken[:at], taken[at] + 1]
    return None
