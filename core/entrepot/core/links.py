"""Link files: the digest text, without newline, that says "this is here".

A crash of older registries can leave a link empty or torn. Such a link counts as absent,
and is logged, because a later push heals it.
"""

from __future__ import annotations

import logging

from entrepot.core.driver import Driver
from entrepot.core.errors import DigestInvalidError, NotFoundError
from entrepot.core.names import Digest
from entrepot.core.streams import beginning, once

_LOG = logging.getLogger(__name__)
_LIMIT = 256  # bytes; a link has 135 at most, and what is longer is damaged


async def read_link(driver: Driver, key: str) -> Digest | None:
    """What a link says; None if there is none or it is damaged."""
    try:
        content = await beginning(driver, key, _LIMIT)
    except NotFoundError:
        return None
    try:
        return Digest.parse(content.decode("ascii", "replace").strip())
    except DigestInvalidError as error:
        _LOG.warning("damaged link %s counts as absent: %s", key, error.message)
        return None


async def write_link(driver: Driver, key: str, digest: Digest) -> None:
    """Atomic and durable on return."""
    await driver.write(key, once(str(digest).encode()))
