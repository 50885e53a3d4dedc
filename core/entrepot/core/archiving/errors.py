"""What is wrong with an archive, or with what should go into one."""

from __future__ import annotations

from entrepot.core.errors import RegistryError


class ArchiveError(RegistryError):
    """An archive cannot be read or written at all; the message says why."""


class ContentError(RegistryError):
    """Some content is not what it should be; what does not need it can be taken nevertheless."""
