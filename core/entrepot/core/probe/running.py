"""The run of a probe: checks one after another, each bounded, and nothing left behind."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from entrepot.core.driver import Driver
from entrepot.core.errors import DeleteError, StorageError
from entrepot.core.probe import listings, objects, serving, uploads
from entrepot.core.probe.bounds import HungError, Instance, bounded
from entrepot.core.probe.findings import BrokenError, Finding, Outcome
from entrepot.core.probe.place import Place, listed

Opening: TypeAlias = Callable[[], AbstractAsyncContextManager[Driver, Any]]
"""Opens another instance of the driver over always the same store."""

_FIRST = "read after write"
CLEAN_UP = "nothing left behind"

CHECKS: Mapping[str, Callable[[Place], Awaitable[Outcome]]] = {
    _FIRST: objects.read_after_write,
    "second instance": objects.second_instance,
    "overwrite": objects.overwrite,
    "missing object": objects.missing,
    "ranges": objects.ranges,
    "16 creates at once": objects.concurrent_creates,
    "create on existing": objects.create_existing,
    "delete": objects.delete,
    "listing order": listings.order,
    "listing lag": listings.lag,
    "large object": objects.large_object,
    "copy and move": objects.copy_and_move,
    "upload in parts": uploads.part_sizes,
    "upload of small appends": uploads.small_appends,
    "append at a wrong offset": uploads.wrong_offset,
    "aborted upload": uploads.abort,
    "link for GET": serving.link_get,
    "link for HEAD": serving.link_head,
    "local file": serving.local_file,
    "clock": serving.clock,
}

_PATIENCE = 2  # checks that may time out before the rest is not tried
_SHOWN = 5  # keys that a finding names
_CLEANINGS = 3  # times that what is left is listed and deleted


@dataclass(frozen=True, slots=True)
class Report:
    """What a probe found; `hung`: something of the driver runs still and cannot be stopped."""

    findings: tuple[Finding, ...]
    hung: bool = False

    @property
    def kept(self) -> bool:
        """Whether no promise was broken; honest limitations break none."""
        return all(finding.result != "failed" for finding in self.findings)


def _ignore(_: object) -> None:
    """Nobody listens."""


async def probe(
    opening: Opening,
    *,
    seconds: float = 30.0,
    begun: Callable[[str], None] = _ignore,
    told: Callable[[Finding], None] = _ignore,
) -> Report:
    """Try a store by all CHECKS, in a top-level folder that is removed afterwards.

    Each check, opening and closing take at most `seconds`. `begun` is called with a check's
    name, `told` with what it found. Cancelled, it removes what it wrote before it goes.

    Raises StorageError: if the driver cannot be opened; TimeoutError or HungError: if it does
    not open in time.
    """
    run = _Run(seconds, begun, told)
    instances: list[Instance] = []
    try:
        for _ in range(2):
            instance = Instance(opening)
            run.drivers.append(await instance.driver(seconds))
            instances.append(instance)
        await run.checks()
    finally:
        for instance in instances:
            await run.close(instance)
    return Report(tuple(run.findings), run.hung)


@dataclass
class _Run:
    seconds: float
    begun: Callable[[str], None]
    told: Callable[[Finding], None]
    drivers: list[Driver] = field(default_factory=list[Driver])
    findings: list[Finding] = field(default_factory=list[Finding])
    hung: bool = False

    async def checks(self) -> None:
        place = Place(self.drivers[0], self.drivers[1], f"entrepot-check-{uuid.uuid4().hex[:12]}")
        try:
            timeouts = 0
            for name, check in CHECKS.items():
                finding = await self._check(name, check, place)
                timeouts += finding.figures.get("timed_out", 0) > 0
                if self.hung or timeouts >= _PATIENCE:
                    return
                if name == _FIRST and finding.result == "failed":
                    return
        finally:
            await self._clean_up(place)

    async def close(self, instance: Instance) -> None:
        """What closing raises is a finding: it would end each worker of a registry."""
        if self.hung:
            return
        try:
            await instance.close(self.seconds)
        except HungError:
            self.hung = True
        except Exception as error:
            self._tell(Finding("closing", "failed", f"{type(error).__name__}: {error}"))

    async def _check(
        self, name: str, check: Callable[[Place], Awaitable[Outcome]], place: Place
    ) -> Finding:
        self.begun(name)

        async def work() -> Outcome:
            return await check(place)

        try:
            outcome = await bounded(work(), self.seconds)
        except TimeoutError:
            return self._tell(_failed(name, f"no end within {self.seconds:g} s", timed_out=1))
        except HungError:
            self.hung = True
            detail = f"hangs: no end within {self.seconds:g} s, and it cannot be cancelled"
            return self._tell(_failed(name, detail, timed_out=1))
        except BrokenError as error:
            return self._tell(_failed(name, str(error)))
        except StorageError as error:
            return self._tell(_failed(name, f"{type(error).__name__}: {error}"))
        except Exception as error:  # a stranger's code: whatever it raises is its problem
            detail = f"the driver raised {type(error).__name__}, which is no StorageError"
            return self._tell(_failed(name, detail))
        return self._tell(Finding(name, outcome.result, outcome.detail, outcome.figures))

    async def _clean_up(self, place: Place) -> None:
        self.begun(CLEAN_UP)
        try:
            left = await bounded(_remove(place), self.seconds)
        except (TimeoutError, HungError) as error:
            self.hung = self.hung or isinstance(error, HungError)
            detail = f"cleaning up did not end; remove what is below {place.folder}/"
            self._tell(_failed(CLEAN_UP, detail))
        except Exception as error:
            detail = f"cannot clean up; remove what is below {place.folder}/: {error}"
            self._tell(_failed(CLEAN_UP, detail))
        else:
            self._tell(left)

    def _tell(self, finding: Finding) -> Finding:
        self.findings.append(finding)
        self.told(finding)
        return finding


def _failed(name: str, detail: str, **figures: float) -> Finding:
    return Finding(name, "failed", detail, figures)


async def _remove(place: Place) -> Finding:
    for token in place.tokens:
        with suppress(StorageError):  # what it leaves is listed below
            await place.first.upload(token).abort()
    reason = ""
    left: list[str] = []
    for _ in range(_CLEANINGS):
        for driver in (place.first, place.second):
            keys = await listed(driver, f"{place.folder}/")
            try:
                await driver.delete(keys)
            except DeleteError as error:
                reason = f": {error.reason}"
        left = await listed(place.first, f"{place.folder}/")
        if not left:
            return Finding(CLEAN_UP, "ok", f"{place.folder}/ is gone")
        await asyncio.sleep(1)  # a listing may lag
    names = ", ".join(left[:_SHOWN]) + (" …" if len(left) > _SHOWN else "")
    return _failed(CLEAN_UP, f"could not remove {len(left)} objects{reason}: {names}")
