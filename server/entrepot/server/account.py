"""What becomes known of a request while it is handled, for logs, metrics and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from uuid import uuid4

from starlette.types import Scope

_KEY = "entrepot.account"


@dataclass(slots=True)
class Account:
    """One request's. What is not known (yet) is empty.

    `kind` is the route's, as logs and metrics call it; `name` and `reference` stand in its path
    and are unparsed. `user` is the authenticated client's name. `error` is the specification's
    code of a refusal, `message` what the client is told with it.
    """

    id: str = field(default_factory=lambda: str(uuid4()))
    began: float = field(default_factory=perf_counter)
    kind: str = ""
    name: str = ""
    reference: str = ""
    user: str = ""
    error: str = ""
    message: str = ""


def account(scope: Scope) -> Account:
    """The account of a request, opened by whoever asks first."""
    found: Account | None = scope.get(_KEY)
    if found is None:
        found = scope[_KEY] = Account()
    return found
