"""Drivers of Distribution that nothing here is named like, and what to write."""

from __future__ import annotations

from collections.abc import Iterator

from entrepot.core.configuration.mistakes import line
from entrepot.core.configuration.model import Configuration
from entrepot.core.configuration.plugged import PluggedModels
from entrepot.core.configuration.tree import Path, Table, origin_at

DRIVERS = {
    "oss": "Distribution 3 dropped this driver; `pip install entrepot-oss` brings it back",
    "swift": "Distribution 3 dropped this driver; `pip install entrepot-swift` brings it back",
    "rados": (
        "Distribution 2.4 dropped this driver; `pip install entrepot-rados`, or write `s3` for "
        "Ceph's object gateway"
    ),
    "s3goamz": "Distribution 2.7 dropped this driver; write `s3`, its parameters are the same",
}


def replaced(configuration: Configuration, tree: Table, models: PluggedModels) -> Iterator[str]:
    """A mistake for each of them that is asked for and that no plug-in brings."""
    driver = configuration.storage.driver
    if driver in DRIVERS and driver not in models.drivers:
        path: Path = ("storage", driver)
        yield line(path, DRIVERS[driver], origin_at(tree, path))
