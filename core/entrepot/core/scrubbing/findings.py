"""What may be wrong with a store, and what can be done about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["wrong", "harmless"]

_FETCH = "fetch it with --repair --from or --from-config"
_PUSH = f"{_FETCH}, or push it again"
_DERIVED = "--repair writes it again"
_LEFT = "nothing needs it; remove it by hand if you like"

KINDS: dict[str, tuple[Severity, str]] = {
    "blob-damaged": ("wrong", f"{_FETCH}; or remove this object, then push the image again"),
    "blob-missing": ("wrong", _PUSH),
    "manifest-damaged": ("wrong", _PUSH),
    "manifest-missing": ("wrong", _PUSH),
    "unreadable": ("wrong", "see to the storage, then run this again"),
    "not-a-manifest": ("wrong", "it cannot be pulled; delete it"),
    "link-damaged": ("wrong", f"{_DERIVED} if what it stands for is there; else push again"),
    "layer-link-missing": ("wrong", _DERIVED),
    "child-missing": ("wrong", f"{_PUSH}; or delete the index"),
    "child-link-missing": ("wrong", _DERIVED),
    "tag-damaged": ("wrong", "--repair writes it again if it ever pointed to one manifest only"),
    "tag-dangling": ("wrong", f"--repair links the manifest if its bytes are there; else {_PUSH}"),
    "referrer-missing": ("wrong", f"{_DERIVED}, and so does `entrepot reindex`"),
    "referrer-damaged": ("wrong", f"{_DERIVED}, and so does `entrepot reindex`"),
    "referrer-orphan": ("harmless", "--repair removes it, and so does `entrepot reindex`"),
    "size-wrong": ("harmless", "the manifest was pushed like that; clients may refuse it"),
    "link-stale": ("harmless", "no manifest names it: what a collection of Distribution leaves"),
    "tag-unfinished": ("harmless", "a push or a deletion broke off; a push of the tag ends it"),
    "history-missing": ("harmless", _DERIVED),
    "history-damaged": ("harmless", _DERIVED),
    "temporary": ("harmless", _LEFT),
    "stray": ("harmless", _LEFT),
    "not-a-name": ("harmless", _LEFT),
}
"""Every kind of finding: how bad it is, and what can be done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, or (`repaired`) was not until now.

    `where` is a key, `what` says what is there, and `failure` why it could not be repaired.
    `repository` and `digest` are "" where it has none.
    """

    kind: str
    where: str
    what: str
    repository: str = ""
    digest: str = ""
    repaired: bool = False
    failure: str = ""

    @property
    def severity(self) -> Severity:
        return KINDS[self.kind][0]

    @property
    def remedy(self) -> str:
        """What can be done; nothing if it is repaired."""
        return "" if self.repaired else KINDS[self.kind][1]


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding and how to mend it; None: it cannot be derived from the rest of the store."""

    finding: Finding
    mend: Callable[[], Awaitable[object]] | None = None
