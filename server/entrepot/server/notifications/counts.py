"""What happened to events, in figures that metrics show.

Source: Distribution's `registry_notifications_*`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class EndpointCounts:
    """Of one endpoint, since this process started; `pending` and `dead` are what is there now.

    `events` were taken for it. Those of a request count as `successes`, as `failures` if the
    answer refused them, or as `errors` if there was none; `statuses` are the answers, such as
    `200 OK`. `dropped` events never reached it and are gone.
    """

    events: int = 0
    successes: int = 0
    failures: int = 0
    errors: int = 0
    pending: int = 0
    dead: int = 0
    dropped: int = 0
    statuses: Counter[str] = field(default_factory=Counter[str])


class Counts:
    """By endpoint, each from its start on; changed on the event loop only."""

    def __init__(self) -> None:
        self.endpoints: dict[str, EndpointCounts] = {}

    def of(self, endpoint: str) -> EndpointCounts:
        found = self.endpoints.get(endpoint)
        if found is None:
            found = self.endpoints[endpoint] = EndpointCounts()
        return found
