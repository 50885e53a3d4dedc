"""What becomes known of a request while it is handled, for logs, metrics and events."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from random import Random
from time import perf_counter
from typing import Any

from starlette.types import Scope

_KEY = "entrepot.account"
_random = Random()  # noqa: S311 - seeded by the system; an id has to be unique, and is no secret


def _new_id() -> str:
    """A random UUID, without asking the system for each."""
    bits = _random.getrandbits(128) & ~(0xF000 << 64 | 0xC000 << 48) | 0x4000 << 64 | 0x8000 << 48
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(slots=True)
class Account:
    """One request's. What is not known (yet) is empty.

    `kind` is the route's, as logs and metrics call it; `name` and `reference` stand in its path
    and are unparsed. `user` is the authenticated client's name. `error` is the specification's
    code of a refusal, `message` and `detail` what the client is told with it, or for an error of
    ours what only the log may say. `status`, `written` (bytes of the body that were handed to the
    server) and `content_type` are the answer's; `broken` says that it ended before its end.
    """

    id: str = field(default_factory=_new_id)
    began: float = field(default_factory=perf_counter)
    kind: str = ""
    name: str = ""
    reference: str = ""
    user: str = ""
    error: str = ""
    message: str = ""
    detail: Any = None
    status: int = 0
    written: int = 0
    content_type: str = ""
    broken: bool = False


_CURRENT: ContextVar[Account | None] = ContextVar("entrepot.account", default=None)


def account(scope: Scope) -> Account:
    """The account of a request, opened by whoever asks first."""
    found: Account | None = scope.get(_KEY)
    if found is None:
        found = scope[_KEY] = Account()
    return found


def make_current(seen: Account) -> None:
    """Let what is logged from here on in this request's context name the request."""
    _CURRENT.set(seen)


def current_account() -> Account | None:
    """The account of the request that is being handled here; None outside of any."""
    return _CURRENT.get()
