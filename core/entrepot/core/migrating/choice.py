"""What a migration takes along, and how."""

from __future__ import annotations

from dataclasses import dataclass

from entrepot.core.globs import Globs
from entrepot.core.names import RepositoryName


@dataclass(frozen=True, slots=True)
class Choice:
    """`repositories` that match, with the blobs that they link; None: all that there is.

    `verify` reads what the target has already; `delete` removes there what the source has not;
    `dry_run` only counts. `width` is the number of objects on their way at a time.
    """

    repositories: Globs | None = None
    verify: bool = False
    delete: bool = False
    dry_run: bool = False
    width: int = 8

    def takes(self, name: RepositoryName) -> bool:
        return self.repositories is None or self.repositories.match(name.text, "")
