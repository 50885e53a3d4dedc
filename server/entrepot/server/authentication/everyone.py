"""What somebody may do where no policy says it."""

from __future__ import annotations

from entrepot.core.access import Access, Identity


class Everyone:
    """Rights as in Distribution: who has said who it is may do everything, nobody else anything."""

    def allows(self, identity: Identity, access: Access) -> bool:
        return bool(identity.name)
