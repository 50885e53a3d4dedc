"""Stores for the probe's tests, and how its reports are looked into."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.core.testing.dictionary import DictionaryDriver, Stored

from entrepot.core.driver import Driver
from entrepot.core.probe import Finding, Report
from entrepot.core.probe.running import Opening

Store = dict[str, Stored]


def opening(make: Callable[[], Driver]) -> Opening:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[Driver, None]:
        yield make()

    return opened


def over(store: Store, kind: Callable[[Store], Driver] = DictionaryDriver) -> Opening:
    return opening(lambda: kind(store))


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def found(report: Report) -> dict[str, Finding]:
    return {finding.check: finding for finding in report.findings}


def failed(report: Report) -> set[str]:
    return {finding.check for finding in report.findings if finding.result == "failed"}
