"""The gate that every request passes once its route is known, before anything is read."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.types import Scope

from entrepot.core.access import (
    Access,
    Asking,
    AuthenticationUnavailableError,
    Authenticator,
    DeniedError,
    Identity,
    UnauthorizedError,
)
from entrepot.core.errors import BlobUploadUnknownError, RegistryError
from entrepot.core.names import RepositoryName, UploadId
from entrepot.core.registry import Registry
from entrepot.server.authentication.needs import Needs
from entrepot.server.authentication.seen import Seen, authorization
from entrepot.server.routes import UPLOAD, Match
from entrepot.server.urls import Urls

LONGEST_UPLOAD = 24 * 60 * 60.0
"""Seconds after its start in which an upload may go on with credentials that have expired."""

_LOG = logging.getLogger("entrepot.server.authentication")


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets a request in, or says why not."""

    authenticator: Authenticator
    urls: Urls

    async def admit(
        self, scope: Scope, found: Match, needed: Needs, registry: Registry
    ) -> Identity:
        """Who the client is; it may do what it asks for, which is `needed`.

        Credentials that were good when an upload began are good for that upload, for a day.

        Raises UnauthorizedError; DeniedError; BusyError; AuthenticationUnavailableError.
        """
        wanted = needed.wanted
        header = authorization(scope)
        try:
            identity = self.authenticator.recall(header, wanted) if header is not None else None
            if identity is None:
                asking = Seen.of(scope, self.urls, header)
                identity = await self.authenticator.authorize(asking, wanted)
            return identity
        except Exception as error:
            began = await _beginning(error, found, registry)
            if began is None:
                raise _told(error, wanted) from error.__cause__
            asking = Seen.of(scope, self.urls, header)
            return await self._admit_as_of(began, asking, wanted)

    async def _admit_as_of(
        self, moment: float, asking: Asking, wanted: Sequence[Access]
    ) -> Identity:
        try:
            return await self.authenticator.authorize(replace(asking, moment=moment), wanted)
        except Exception as error:
            raise _told(error, wanted) from error.__cause__


async def _beginning(error: Exception, found: Match, registry: Registry) -> float | None:
    """When the upload began that this is about, if that can help against this error.

    In seconds since the epoch.
    """
    is_expired = isinstance(error, UnauthorizedError) and error.is_expired
    if not is_expired or found.route is not UPLOAD:
        return None
    try:
        uploads = registry.repository(RepositoryName.parse(found.name)).uploads
        began = await uploads.began(UploadId.parse(found.reference))
    except BlobUploadUnknownError:
        return None
    return began if began is not None and time.time() - began <= LONGEST_UPLOAD else None


def _told(error: Exception, wanted: Sequence[Access]) -> Exception:
    """What an authenticator raised, as the client may know it."""
    if isinstance(error, UnauthorizedError | DeniedError):
        if error.detail is None and wanted:
            error.detail = _listed(wanted)
        return error
    if isinstance(error, RegistryError):
        return error
    # a stranger's code: nobody gets in because it fails
    _LOG.error("the authenticator failed", exc_info=error)
    return AuthenticationUnavailableError("credentials cannot be checked now")


def _listed(wanted: Sequence[Access]) -> list[dict[str, Any]]:
    """What was wanted, as Distribution lists it."""
    return [
        {"Type": each.type, "Class": "", "Name": each.name, "Action": each.action}
        for each in wanted
    ]
