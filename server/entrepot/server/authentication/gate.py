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
from entrepot.server.account import account
from entrepot.server.authentication.needs import needs
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

    async def admit(self, scope: Scope, found: Match, method: str, registry: Registry) -> Identity:
        """Who the client is; it may do what it asks for.

        Credentials that were good when an upload began are good for that upload, for a day.

        Raises UnauthorizedError; DeniedError; BusyError; AuthenticationUnavailableError;
        NameInvalidError; QueryInvalidError.
        """
        wanted = needs(scope, found, method)
        asking = self._asking(scope)
        try:
            try:
                identity = await self._ask(asking, wanted)
            except UnauthorizedError as error:
                began = None
                if error.is_expired and found.route is UPLOAD:
                    began = await _beginning(registry, found)
                if began is None:
                    raise
                identity = await self._ask(replace(asking, moment=began), wanted)
        except (UnauthorizedError, DeniedError) as error:
            if error.detail is None and wanted:
                error.detail = _listed(wanted)
            raise
        account(scope).user = identity.name
        return identity

    async def _ask(self, asking: Asking, wanted: Sequence[Access]) -> Identity:
        try:
            return await self.authenticator.authorize(asking, wanted)
        except RegistryError:
            raise
        except Exception as error:  # a stranger's code: nobody gets in because it fails
            _LOG.exception("the authenticator failed")
            raise AuthenticationUnavailableError("credentials cannot be checked now") from error

    def _asking(self, scope: Scope) -> Asking:
        authorization: str | None = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value.decode("latin-1")
                break
        base, is_told = self.urls.base(scope)
        client = scope.get("client")
        return Asking(
            authorization,
            scope.get("entrepot.certificate"),
            base,
            client[0] if client else "",
            None,
            is_told,
            self.urls.path(scope, ""),
        )


async def _beginning(registry: Registry, found: Match) -> float | None:
    """When the upload began, in seconds since the epoch; None if that is no excuse."""
    try:
        uploads = registry.repository(RepositoryName.parse(found.name)).uploads
        began = await uploads.began(UploadId.parse(found.reference))
    except BlobUploadUnknownError:
        return None
    return began if began is not None and time.time() - began <= LONGEST_UPLOAD else None


def _listed(wanted: Sequence[Access]) -> list[dict[str, Any]]:
    """What was wanted, as Distribution lists it."""
    return [
        {"Type": each.type, "Class": "", "Name": each.name, "Action": each.action}
        for each in wanted
    ]
