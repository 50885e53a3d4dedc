"""Which start of the registry this is, as logs and events name it."""

from __future__ import annotations

from uuid import uuid4

INSTANCE = str(uuid4())
"""A UUID of this process."""
