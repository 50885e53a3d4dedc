"""Notifications: events as HTTP requests to the endpoints of a configuration.

An event of a push or a deletion is on disk before the client has its answer, and goes from
there to each endpoint until that has taken it.
"""

from __future__ import annotations

from entrepot.server.notifications.counts import Counts, EndpointCounts

__all__ = ["Counts", "EndpointCounts"]
