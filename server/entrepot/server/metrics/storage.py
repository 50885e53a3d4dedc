"""Calls of the driver under Distribution's names of actions."""

from __future__ import annotations

import asyncio

from prometheus_client import Counter, Histogram

from entrepot.core.costs import DriverCall
from entrepot.core.errors import ExistsError, NotFoundError, StorageError
from entrepot.server.metrics.instruments import StorageInstruments
from entrepot.server.storage_actions import action_of

_ANSWERS = (NotFoundError, ExistsError)
"""What a store says of an object is an answer, no failure of the store."""


class StorageMeter:
    """Told of each call by the guard."""

    def __init__(self, instruments: StorageInstruments) -> None:
        self._instruments = instruments
        self._seconds: dict[tuple[str, str], Histogram] = {}
        self._bytes: dict[tuple[str, bool], Counter] = {}

    def __call__(self, call: DriverCall) -> None:
        action = action_of(call)
        seconds = self._seconds.get((call.driver, action))
        if seconds is None:
            seconds = self._instruments.seconds.labels(call.driver, action)
            self._seconds[call.driver, action] = seconds
        seconds.observe(call.seconds)
        if call.bytes:
            self._count_bytes(call)
        if call.error is not None and not call.is_callers:
            self._count_error(call, action, call.error)

    def _count_bytes(self, call: DriverCall) -> None:
        reading = call.operation == "read"
        counter = self._bytes.get((call.driver, reading))
        if counter is None:
            instruments = self._instruments
            both = instruments.read if reading else instruments.written
            counter = self._bytes[call.driver, reading] = both.labels(call.driver)
        counter.inc(call.bytes)

    def _count_error(self, call: DriverCall, action: str, error: BaseException) -> None:
        if isinstance(error, (*_ANSWERS, asyncio.CancelledError)):
            return
        kind = type(error).__name__ if isinstance(error, StorageError) else "unforeseen"
        kind = kind.removesuffix("Error").lower()
        self._instruments.errors.labels(call.driver, action, kind).inc()
