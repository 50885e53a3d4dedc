"""Copying of all that a store holds into another one, while both may be served."""

from __future__ import annotations

from entrepot.core.migrating.choice import Choice
from entrepot.core.migrating.migration import Migration, migrate
from entrepot.core.migrating.pacing import Pace
from entrepot.core.migrating.totals import Totals, Watcher

__all__ = ["Choice", "Migration", "Pace", "Totals", "Watcher", "migrate"]
