"""What a collection is asked, what it gives, and who hears how far it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass, field
from typing import Protocol

from entrepot.core.collecting.marking import Garbage, MarkOptions, MarkReport, Untagged
from entrepot.core.collecting.runs import KINDS, Kind, Plan
from entrepot.core.collecting.sweeping import Swept
from entrepot.core.driver import Driver
from entrepot.core.errors import RegistryError


class CollectionError(RegistryError):
    """This store cannot be collected in the way that was asked for."""


class Marker(Protocol):
    """The marking half; see `marking` for what its functions promise."""

    def unreachable(
        self, driver: Driver, options: MarkOptions, report: MarkReport, /
    ) -> AsyncGenerator[Garbage, None]: ...

    def spared(
        self,
        driver: Driver,
        options: MarkOptions,
        condemned: AsyncIterable[Garbage],
        report: MarkReport,
        /,
    ) -> AsyncGenerator[Garbage, None]: ...


@dataclass(frozen=True, slots=True)
class Options:
    """What a collection may delete, and when. `grace` and `wait` are seconds.

    `wait` lies between publication and second mark. `is_offline`: no registry writes to the
    store, so what is garbage is deleted at once (see `offline`), and the backend need not
    create exclusively.
    """

    grace: float
    wait: float
    untagged: Untagged | None = None
    is_offline: bool = False


@dataclass(slots=True)
class Collected:
    """What a collection did. `run` is "" if there was nothing to do; `freed` is in bytes.

    `is_ended` is False if another collector's claims are open: its run stays until a later
    collection. `is_full`: there was more garbage than one run takes.
    """

    run: str = ""
    is_resumed: bool = False
    plan: Plan | None = None
    spared: int = 0
    rescued: int = 0
    failed: int = 0
    deleted: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    freed: int = 0
    is_ended: bool = True

    def count(self, kind: Kind, swept: Swept) -> None:
        """Add what became of some of its keys."""
        self.deleted[kind] += len(swept.deleted)
        self.freed += sum(one.size for one in swept.deleted)
        self.rescued += len(swept.kept)
        self.failed += len(swept.failed)

    @property
    def is_full(self) -> bool:
        return self.plan is not None and self.plan.is_full


class Watcher:
    """Hears how far a collection is; each method may be left as it is."""

    def marking(self, report: MarkReport, *, again: bool) -> None:
        """A mark begins; the report's counts grow while it runs."""

    def condemned(self, one: Garbage) -> None:
        """It is to be deleted, if nothing comes to lead to it."""

    def resumed(self, run: str, plan: Plan) -> None:
        """An earlier collector left this run."""

    def published(self, run: str, plan: Plan) -> None:
        """From now on pushes heed the run."""

    def waiting(self, left: float) -> None:
        """So many seconds are left until the second mark."""

    def spared(self, one: Garbage) -> None:
        """The second mark found it reachable."""

    def sweeping(self, plan: Plan) -> None:
        """The deletion begins."""

    def swept(self, swept: Swept) -> None:
        """A batch is done with."""
