"""Lets in whoever sends any credentials: for tests of clients."""

from __future__ import annotations

from collections.abc import Sequence

from entrepot.core.access import Access, Asking, Authenticator, Identity
from entrepot.server.authentication import challenges
from entrepot.server.authentication.options import SillyOptions

_SILLY = Identity("silly")


class Silly(Authenticator):
    def __init__(self, options: SillyOptions) -> None:
        self._options = options

    async def authorize(self, asking: Asking, wanted: Sequence[Access]) -> Identity:
        if asking.authorization:
            return _SILLY
        scope = " ".join(f"{each.type}:{each.name}:{each.action}" for each in wanted)
        raise challenges.bearer(self._options.realm, self._options.service, scope)
