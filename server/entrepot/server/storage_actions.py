"""Distribution's names for what a driver is asked to do, which dashboards know."""

from __future__ import annotations

from entrepot.core.costs import DriverCall

_LITTLE = 1024 * 1024  # bytes
_ACTIONS = {
    "stat": "Stat",
    "delete": "Delete",
    "scan": "List",
    "copy": "Copy",
    "move": "Move",
    "link": "RedirectURL",
    "size": "Stat",
    "append": "Writer",
    "commit": "Move",
    "abort": "Delete",
}


def action_of(call: DriverCall) -> str:
    """The action of a call.

    Little is got and put, as links and manifests are; more is read and written as a stream.
    """
    if call.operation == "read":
        return "GetContent" if call.bytes <= _LITTLE else "Reader"
    if call.operation == "write":
        return "PutContent" if call.bytes <= _LITTLE else "Writer"
    return _ACTIONS[call.operation]
