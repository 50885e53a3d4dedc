"""Where things are in the container: as Distribution 2 had them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Places:
    """Paths below the account, `/container/name`, for the registry's keys."""

    container: str
    prefix: str

    @property
    def root(self) -> str:
        """Name before every key."""
        return f"{self.prefix}/files/".lstrip("/")

    def path(self, key: str) -> str:
        return f"/{self.container}/{self.root}{key}"

    def segments(self, id_: str) -> str:
        """Name before the segments of one object, which is all that shares them."""
        return f"{self.prefix}/segments/{id_[:3]}/{id_[3:]}/".lstrip("/")

    def segment(self, id_: str, offset: int) -> str:
        return f"/{self.container}/{self.segments(id_)}{offset:020d}"

    def is_ours(self, path: str) -> bool:
        """Whether that is where only one object has its segments, and only objects of ours."""
        folder, _, rest = path.removeprefix(self._path_of_segments).partition("/")
        return path.startswith(self._path_of_segments) and bool(folder and rest)

    @property
    def _path_of_segments(self) -> str:
        return f"/{self.container}/" + f"{self.prefix}/segments/".lstrip("/")

    def claim(self, id_: str) -> str:
        """The object that says what an upload's segments have become."""
        return f"/{self.container}/{self.segments(id_)}claim"


def new_id() -> str:
    """Of the segments of one object."""
    return uuid.uuid4().hex
