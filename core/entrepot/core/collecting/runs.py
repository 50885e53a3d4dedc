"""A run of the collector as the store has it: its objects, their keys and their forms.

All lies below `entrepot/collection/`. `current/<run>` is the marker: while it is there, every
push heeds the run. A run's other objects are below `runs/<run>/`: `condemned/<n>` are the
batches, lists of up to 256 keys of one kind, `plan` and `index` what they are all together,
`spared` what the second mark found reachable again, `claims/…` who may decide about a batch,
`done/<n>` that those who claimed a batch delete nothing of it any more, `helps/<n>-…` that
another collector still does, `ended` that all of it is to be removed. Only `claims` are ever
fought for; everything else is written whole, once.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, get_args

from entrepot.core import layout
from entrepot.core.collecting.hashed import HashedKeys
from entrepot.core.collecting.marking import Garbage, MarkOptions, Untagged
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import (
    DigestInvalidError,
    ExistsError,
    NameInvalidError,
    NotFoundError,
    UnavailableError,
)
from entrepot.core.listing import children, exists
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.streams import gather, once

Kind: TypeAlias = Literal["revision", "layer", "blob"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order in which they are deleted, so that nothing left points to nothing."""

ROOT = f"{layout.OURS}collection/"
CURRENT = f"{ROOT}current/"
_RUNS = f"{ROOT}runs/"
_CLOCKS = f"{ROOT}clocks/"
BATCH = 256
"""Keys of a batch."""
MOST = 2**20
"""Keys of a run; the next run finds the rest. A replica holds 12 bytes for each."""
RESCUED = b"rescued"
_ABANDONED = 7 * 86_400.0  # seconds; a mark that broke off so long ago is nobody's any more
_LIMIT = 4 * 1024 * 1024  # bytes of a small object of a run


@dataclass(frozen=True, slots=True)
class Claim:
    """What one exclusive creation decides about: a revision, or a batch of another kind.

    A revision has its own, because one that stays needs all it names to stay: its neighbours
    in the batch must not keep it.
    """

    number: int

    @classmethod
    def of(cls, batch: int, position: int | None) -> Claim:
        return cls(batch << 9 | (BATCH if position is None else position))

    @property
    def batch(self) -> int:
        return self.number >> 9

    @property
    def name(self) -> str:
        position = self.number & 0x1FF
        return f"{self.batch:06d}" if position == BATCH else f"{self.batch:06d}-{position:03d}"


@dataclass(frozen=True, slots=True)
class Run:
    """A run's keys. `id` begins with its time, so that they sort by age."""

    id: str

    @classmethod
    def new(cls, now: float) -> Run:
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        return cls(f"{moment}-{secrets.token_hex(6)}")

    @property
    def marker(self) -> str:
        return CURRENT + self.id

    @property
    def folder(self) -> str:
        return f"{_RUNS}{self.id}/"

    @property
    def index(self) -> str:
        return f"{self.folder}index"

    @property
    def plan(self) -> str:
        return f"{self.folder}plan"

    @property
    def spared(self) -> str:
        return f"{self.folder}spared"

    @property
    def ended(self) -> str:
        return f"{self.folder}ended"

    def condemned(self, batch: int) -> str:
        return f"{self.folder}condemned/{batch:06d}"

    def claim(self, claim: Claim) -> str:
        return f"{self.folder}claims/{claim.name}"

    def done(self, batch: int) -> str:
        return f"{self.folder}done/{batch:06d}"

    @property
    def helps(self) -> str:
        return f"{self.folder}helps/"

    def help(self, batch: int, owner: str = "") -> str:
        return f"{self.helps}{batch:06d}-{owner}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run condemned: batches, keys and bytes of each kind, and the mark's options."""

    options: MarkOptions
    batches: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    keys: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    bytes: int = 0
    is_full: bool = False

    def numbers(self, kind: Kind) -> range:
        """The batches of a kind."""
        start = sum(self.batches[each] for each in KINDS[: KINDS.index(kind)])
        return range(start, start + self.batches[kind])

    def kind(self, batch: int) -> Kind:
        return next(kind for kind in KINDS if batch in self.numbers(kind))

    @property
    def total(self) -> int:
        """Keys of all kinds."""
        return sum(self.keys.values())


async def current(driver: Driver) -> list[tuple[Run, float]]:
    """The runs that are under way, the oldest first, each with the time of its publication."""
    async with aclosing(driver.scan(CURRENT)) as markers:
        return [
            (Run(marker.key.removeprefix(CURRENT)), marker.modified)
            async for marker in markers
            if isinstance(marker, Entry)
        ]


async def is_current(driver: Driver, run: Run) -> bool:
    return await exists(driver, run.marker)


async def create(driver: Driver, key: str, content: bytes) -> bool:
    """Whether the object is ours: exactly one of those that create it is told so."""
    try:
        await driver.write(key, once(content), create=True)
    except ExistsError:
        return False
    return True


async def content_of(driver: Driver, key: str) -> bytes | None:
    """A small object's content; None if there is none."""
    try:
        return await gather(driver, key, _LIMIT)
    except NotFoundError:
        return None


async def is_done(driver: Driver, run: Run, batch: int) -> bool:
    """Whether all collectors have said that they delete nothing of a batch any more.

    In this order: a helper says that it helps before it looks whether the batch is done.
    """
    return await exists(driver, run.done(batch)) and not await helped(driver, run.help(batch))


async def helped(driver: Driver, prefix: str) -> set[int]:
    """Batches of which collectors delete what others claimed, or died doing so."""
    async with aclosing(driver.scan(prefix)) as entries:
        names = [entry.key.rpartition("/")[2] async for entry in entries]
    return {int(name.partition("-")[0]) for name in names}


async def now(driver: Driver, owner: str) -> float:
    """Seconds since the epoch on the store's own clock. Costs three requests.

    An owner may ask several times at once.
    """
    key = f"{_CLOCKS}{owner}-{secrets.token_hex(4)}"
    await driver.write(key, once(b"now"))
    try:
        return (await driver.stat(key)).modified
    finally:
        await driver.delete([key])


async def write_batch(driver: Driver, run: Run, number: int, batch: Sequence[Garbage]) -> None:
    lines = [
        json.dumps([one.kind, one.repository, str(one.digest), one.size, one.reason])
        for one in batch
    ]
    await driver.write(run.condemned(number), once("\n".join(lines).encode()))


async def read_batch(driver: Driver, run: Run, number: int) -> list[Garbage]:
    """Raises NotFoundError: if the run is over; UnavailableError: if the batch is damaged."""
    content = await gather(driver, run.condemned(number), _LIMIT)
    try:
        return [_garbage(json.loads(line)) for line in content.decode().splitlines()]
    except (ValueError, TypeError, DigestInvalidError, NameInvalidError) as error:
        raise UnavailableError(run.condemned(number), f"damaged: {error}") from error


async def condemned(driver: Driver, run: Run, plan: Plan) -> AsyncGenerator[Garbage, None]:
    """All that the run condemned, in the order of its mark."""
    for kind in KINDS:
        for number in plan.numbers(kind):
            for one in await read_batch(driver, run, number):
                yield one


async def write_plan(driver: Driver, run: Run, plan: Plan) -> None:
    await driver.write(run.plan, once(json.dumps(asdict(plan)).encode()))


async def read_plan(driver: Driver, run: Run) -> Plan:
    """Raises NotFoundError: if the run is over; UnavailableError: if the plan is damaged."""
    content = await gather(driver, run.plan, _LIMIT)
    try:
        found: dict[str, Any] = json.loads(content)
        options = found.pop("options")
        rules = options.pop("untagged")
        untagged = None if rules is None else Untagged(**{k: _tuple(v) for k, v in rules.items()})
        return Plan(MarkOptions(**options, untagged=untagged), **found)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnavailableError(run.plan, f"damaged: {error}") from error


async def read_keys(driver: Driver, run: Run, key: str) -> HashedKeys:
    """The index, or what is spared.

    Raises NotFoundError: if the run is over, or has none yet.
    """
    content = await gather(driver, key, 16 * MOST)
    try:
        return HashedKeys.load(run.id, content)
    except ValueError as error:
        raise UnavailableError(key, f"damaged: {error}") from error


async def remove(driver: Driver, run: Run) -> None:
    """Remove a run that is not current, what says that it ended last."""
    keys: list[str] = []
    async with aclosing(driver.scan(run.folder)) as entries:
        async for entry in entries:
            if entry.key != run.ended:
                keys.append(entry.key)
            if len(keys) == BATCH:
                await driver.delete(keys)
                keys = []
    await driver.delete([*keys, run.ended])


async def remove_leftovers(driver: Driver, moment: float) -> None:
    """Remove what runs left that ended, or broke off long before `moment` without being current."""
    living = {run.id for run, _ in await current(driver)}
    async with aclosing(children(driver, _RUNS)) as names:
        runs = [Run(name) async for name in names if name not in living]
    for run in runs:
        if await exists(driver, run.ended) or await _is_abandoned(driver, run, moment):
            await remove(driver, run)
    async with aclosing(driver.scan(_CLOCKS)) as clocks:
        old = [
            clock.key
            async for clock in clocks
            if isinstance(clock, Entry) and moment - clock.modified > _ABANDONED
        ]
    await driver.delete(old)


async def _is_abandoned(driver: Driver, run: Run, moment: float) -> bool:
    async with aclosing(driver.scan(run.folder)) as entries:
        times = [each.modified async for each in entries if isinstance(each, Entry)]
    return moment - max(times, default=moment) > _ABANDONED and not await is_current(driver, run)


def _garbage(fields: list[Any]) -> Garbage:
    """Names are parsed, so that nothing but a link or a blob can ever be deleted by a list."""
    kind, repository, digest, size, reason = fields
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}")
    name = "" if kind == "blob" else RepositoryName.parse(repository).text
    return Garbage(kind, name, Digest.parse(digest), int(size), str(reason))


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
