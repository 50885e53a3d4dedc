"""Which tags expire by the rules of `policy.tags`, why, and their removal.

Rules only keep: a tag goes if a rule lets it expire and none keeps it. When a tag was pushed
is when its link was written. Costs a listing of each repository's tags, two where a rule has
`keep`, and a few requests for each tag that goes. Memory grows with `keep`, not with the tags;
where a rule has `pulls`, with those of a repository that were pulled.
"""

from __future__ import annotations

import heapq
import logging
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from entrepot.core import inventory, layout, pulls
from entrepot.core.concurrency import WIDTH, each
from entrepot.core.configuration.durations import Duration
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import StorageError, TagInvalidError
from entrepot.core.listing import holds
from entrepot.core.names import RepositoryName, Tag
from entrepot.core.read_only import Switch
from entrepot.core.registry import Registry
from entrepot.core.tag_rules import CompiledRule, TagRules

_LOG = logging.getLogger("entrepot.retention")
_CURRENT = "/current/link"
_SHORTEST = 71  # bytes; a link to less is damaged and counts as no tag
_SETTLED = 60.0  # seconds; of a tag pushed just now, clocks cannot say what came first
_Place: TypeAlias = tuple[float, float, str]  # when a tag was used, when pushed, and its name
_BOUND = re.compile(r"(sha256|sha384|sha512)-([0-9a-f]{64,128})(?:\..+)?", re.ASCII)
"""Tags by which signatures and referrers are found: named like the digest they belong to."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one rule says of a tag; `rule` is its index, None for what holds of itself."""

    rule: int | None
    keeps: bool
    text: str

    def __str__(self) -> str:
        return self.text if self.rule is None else f"policy.tags.{self.rule}: {self.text}"


_JUST_NOW = Reason(None, keeps=True, text="pushed just now")
_BELONGS = Reason(None, keeps=True, text="belongs to a manifest that is there")


@dataclass(frozen=True, slots=True)
class Decision:
    """A tag, when it was pushed (seconds since the epoch), and whether it goes, and why."""

    repository: RepositoryName
    tag: Tag
    pushed: float
    expires: bool
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Retained:
    """How many tags were looked at, were (or would be) removed, and could not be."""

    seen: int = 0
    removed: int = 0
    failed: int = 0


async def decisions(driver: Driver, rules: TagRules, now: float) -> AsyncGenerator[Decision, None]:
    """What the rules say of each tag of the repositories that any of them is for.

    Raises StorageError.
    """
    async with aclosing(inventory.repositories(driver, "_manifests")) as names:
        async for name in names:
            async with aclosing(_of(driver, name, rules, now)) as found:
                async for decision in found:
                    yield decision


async def retain(
    registry: Registry,
    now: float,
    *,
    dry_run: bool = False,
    told: Callable[[Decision], None] | None = None,
) -> Retained:
    """Remove the tags that expire by the registry's rules, but those pushed meanwhile.

    `told` hears of each tag when what happens to it is done. One that cannot be removed is
    logged and does not stop the others. What a tag pointed to is left to garbage collection.

    Raises StorageError: if the tags cannot be listed; ReadOnlyStoreError: as soon as the store
    is switched to read-only.
    """
    seen = removed = failed = 0
    batch: list[Decision] = []
    switch = Switch(registry.driver)

    async def remove(decision: Decision) -> bool | None:
        try:
            tags = registry.repository(decision.repository).tags
            return await tags.expire(decision.tag, decision.pushed)
        except StorageError as error:
            where = f"{decision.repository}:{decision.tag}"
            _LOG.warning("tag %s has expired and could not be removed: %s", where, error)
            return None

    async def flush() -> None:
        nonlocal removed, failed
        expiring = [decision for decision in batch if decision.expires]
        if expiring and not dry_run:
            await switch.check()
        every: list[bool | None] = [True] * len(expiring)
        done = every if dry_run else await each(remove, expiring)
        removed, failed = removed + done.count(True), failed + done.count(None)
        gone = {id(one) for one, is_done in zip(expiring, done, strict=True) if is_done}
        for decision in batch:
            if told is not None and (not decision.expires or id(decision) in gone):
                told(decision)
        batch.clear()

    async with aclosing(decisions(registry.driver, registry.rules.tags, now)) as found:
        async for decision in found:
            seen += 1
            batch.append(decision)
            if len(batch) == 4 * WIDTH:
                await flush()
    await flush()
    return Retained(seen, removed, failed)


async def _of(
    driver: Driver, name: RepositoryName, rules: TagRules, now: float
) -> AsyncGenerator[Decision, None]:
    own = tuple(rules.of(name))
    if not own:
        return
    usage = await _usage_of(driver, name, own, now)
    newest = await _newest(driver, name, [rule for rule in own if rule.keep], usage)
    asked = _Asked(name, rules, own, newest, usage, now)
    async with aclosing(_pushed(driver, name)) as tags:
        async for tag, pushed in tags:
            reasons = tuple(asked.reasons(tag.text, pushed))
            expires = bool(reasons) and not any(reason.keeps for reason in reasons)
            if expires and await _belongs(driver, name, tag.text):
                expires, reasons = False, (*reasons, _BELONGS)
            yield Decision(name, tag, pushed, expires, reasons)


@dataclass(frozen=True, slots=True)
class _Usage:
    """Until when tags count as pulled, and since when that is known; both where a rule asks."""

    pulled: Mapping[str, float]
    since: float

    def place(self, rule: CompiledRule, tag: str, pushed: float) -> _Place:
        used = max(self.pulled.get(tag, 0.0), self.since, pushed) if rule.pulls else pushed
        return used, pushed, tag


async def _usage_of(
    driver: Driver, name: RepositoryName, rules: Sequence[CompiledRule], now: float
) -> _Usage:
    if not any(rule.pulls for rule in rules):
        return _Usage({}, 0.0)
    return _Usage(await pulls.pulled(driver, name), await pulls.recorded_since(driver, now))


async def _newest(
    driver: Driver, name: RepositoryName, counting: Sequence[CompiledRule], usage: _Usage
) -> dict[int, _Place]:
    """By rule, the oldest of the tags that its `keep` keeps."""
    if not counting:
        return {}
    heaps: dict[int, list[_Place]] = {rule.index: [] for rule in counting}
    async with aclosing(_pushed(driver, name)) as tags:
        async for tag, pushed in tags:
            if _BOUND.fullmatch(tag.text):  # they go with what they belong to
                continue
            for rule in counting:
                if rule.lets_expire(tag.text):
                    heapq.heappush(heaps[rule.index], usage.place(rule, tag.text, pushed))
                    if len(heaps[rule.index]) > rule.keep:
                        heapq.heappop(heaps[rule.index])
    return {index: heap[0] for index, heap in heaps.items() if heap}


@dataclass(frozen=True, slots=True)
class _Asked:
    """The rules for one repository; `newest` is the oldest that each one's `keep` keeps."""

    name: RepositoryName
    all: TagRules
    rules: Sequence[CompiledRule]
    newest: Mapping[int, _Place]
    usage: _Usage
    now: float

    def reasons(self, tag: str, pushed: float) -> Iterator[Reason]:
        """What each rule says of a tag, if anything."""
        immutable = self.all.immutable(self.name, tag)
        if immutable is not None and not immutable.deletable:
            yield Reason(immutable.rule, keeps=True, text=f"immutable ({immutable.pattern})")
        for rule in self.rules:
            if (pattern := rule.never.find(tag)) is not None:
                yield Reason(rule.index, keeps=True, text=f"never expires ({pattern})")
            if rule.lets_expire(tag):
                yield self._expiry(rule, tag, pushed)
        if self.now - pushed < _SETTLED:
            yield _JUST_NOW

    def _expiry(self, rule: CompiledRule, tag: str, pushed: float) -> Reason:
        """What `keep` and `expire` of one rule say: either keeps."""
        missed: list[str] = []
        place = self.usage.place(rule, tag, pushed)
        used = "pushed or pulled" if rule.pulls else "pushed"
        if rule.keep:
            last = self.newest.get(rule.index)
            if last is not None and place >= last and _BOUND.fullmatch(tag) is None:
                return Reason(rule.index, keeps=True, text=f"among the {rule.keep} {used} last")
            missed.append(f"not among the {rule.keep} {used} last")
        if rule.expire:
            span = Duration(round(rule.expire * 1e9))
            if self.now - place[0] < rule.expire:
                return Reason(rule.index, keeps=True, text=f"{used} less than {span} ago")
            missed.append(f"{used} {span} ago or longer")
        return Reason(rule.index, keeps=False, text=", ".join(missed))


async def _belongs(driver: Driver, name: RepositoryName, tag: str) -> bool:
    """Whether a tag is named like a digest that the repository has a manifest of."""
    bound = _BOUND.fullmatch(tag)
    if bound is None:
        return False
    return await holds(driver, f"{layout.revisions(name)}{bound[1]}/{bound[2]}")


async def _pushed(driver: Driver, name: RepositoryName) -> AsyncGenerator[tuple[Tag, float], None]:
    """The repository's tags and when each was pushed, by one listing."""
    prefix = layout.tags(name)
    async with aclosing(driver.scan(prefix)) as entries:
        async for entry in entries:
            if not (isinstance(entry, Entry) and entry.key.endswith(_CURRENT)):
                continue
            text = entry.key[len(prefix) : -len(_CURRENT)]
            try:
                tag = Tag.parse(text)
            except TagInvalidError:
                continue
            if entry.size >= _SHORTEST:
                yield tag, entry.modified
