"""What a configuration may ask for and this version cannot do yet.

One row each: take the row away with the work that makes it available.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from entrepot.core.configuration.mistakes import line
from entrepot.core.configuration.model import Configuration
from entrepot.core.configuration.tree import Path, Table, origin_at


@dataclass(frozen=True, slots=True)
class Row:
    """A path, whether a configuration asks for what it stands for, and what to do then."""

    path: str
    asked: Callable[[Configuration], bool]
    remedy: str
    reason: str = "not available yet"


_GO = "a middleware of Distribution is compiled into it"
_REPLACED = (
    "what it sees is told to the plug-ins of `notifications.observers`, what it refuses is "
    "refused by those of `policy.admission`; set `disabled: true` in each"
)

ROWS = (
    Row("proxy.remoteurl", lambda it: bool(it.proxy.remoteurl), "remove the section `proxy`"),
    Row(
        "middleware.registry",
        lambda it: any(not one.disabled for one in it.middleware.registry),
        _REPLACED,
        _GO,
    ),
    Row(
        "middleware.repository",
        lambda it: any(not one.disabled for one in it.middleware.repository),
        _REPLACED,
        _GO,
    ),
)


def refused(configuration: Configuration, tree: Table) -> Iterator[str]:
    """A mistake for each row that a configuration asks for."""
    for row in ROWS:
        if row.asked(configuration):
            path: Path = tuple(row.path.split("."))
            yield line(path, f"{row.reason}; {row.remedy}", origin_at(tree, path))
