"""What calls of a driver cost: summed up by operation, and told one by one to who asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(slots=True)
class Operation:
    """What one kind of operation has cost since the driver was opened."""

    name: str
    calls: int = 0
    failures: int = 0  # calls that raised; a cancelled one did not fail
    seconds: float = 0.0  # spent in the driver, without waiting for the caller's chunks
    bytes: int = 0  # given by `read`, taken by `write` and `append`


@dataclass(frozen=True, slots=True)
class Statistics:
    """Costs by operation: the methods of `Driver`, and those of `Upload` from `size` on."""

    stat: Operation = field(default_factory=lambda: Operation("stat"))
    read: Operation = field(default_factory=lambda: Operation("read"))
    write: Operation = field(default_factory=lambda: Operation("write"))
    delete: Operation = field(default_factory=lambda: Operation("delete"))
    scan: Operation = field(default_factory=lambda: Operation("scan"))
    copy: Operation = field(default_factory=lambda: Operation("copy"))
    move: Operation = field(default_factory=lambda: Operation("move"))
    link: Operation = field(default_factory=lambda: Operation("link"))
    size: Operation = field(default_factory=lambda: Operation("size"))
    append: Operation = field(default_factory=lambda: Operation("append"))
    commit: Operation = field(default_factory=lambda: Operation("commit"))
    abort: Operation = field(default_factory=lambda: Operation("abort"))


@dataclass(slots=True)
class DriverCall:
    """A call of a driver that has ended, well or not."""

    driver: str  # its name
    operation: str  # a field of `Statistics`
    key: str  # of a `scan` its prefix, of an upload its token, of several keys the first
    began: float  # by `time.perf_counter`
    ended: float
    seconds: float  # spent in the driver, without waiting for its caller
    bytes: int  # given by `read`, taken by `write` and `append`
    error: BaseException | None
    is_callers: bool  # the error came out of the caller's chunks, the driver did nothing wrong


CallObserver: TypeAlias = Callable[[DriverCall], None]
"""Is told of calls in the task that made them, right after each. It must not raise or block."""


def told_to_all(*observers: CallObserver) -> CallObserver | None:
    """One observer that tells all of these; None for none."""
    if len(observers) < 2:
        return observers[0] if observers else None

    def tell(call: DriverCall) -> None:
        for observe in observers:
            observe(call)

    return tell
