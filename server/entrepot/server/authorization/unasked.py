"""`auth: none` with an access policy: nobody is asked who they are."""

from __future__ import annotations

from collections.abc import Sequence

from entrepot.core.access import ANONYMOUS, Access, Asking, Authenticator, Identity, Rights
from entrepot.server.authorization.rights import check_denied


class Unasked(Authenticator):
    """Lets everybody do what `rights` let the anonymous do."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights

    async def authorize(self, asking: Asking, wanted: Sequence[Access]) -> Identity:
        check_denied(self._rights, ANONYMOUS, wanted)
        return ANONYMOUS
