"""Users known by the certificates with which they connect."""

from __future__ import annotations

from collections.abc import Sequence

from entrepot.core.access import (
    ANONYMOUS,
    Access,
    Asking,
    Authenticator,
    ClientCertificate,
    DeniedError,
    Identity,
    Rights,
)
from entrepot.server.authorization.options import CertificateOptions
from entrepot.server.authorization.rights import PolicyRights, check_denied


class Certificate(Authenticator):
    """Lets in who has a certificate, as far as `rights` go.

    There is no challenge to answer: who has none may do what everybody may, or is denied.
    """

    def __init__(self, options: CertificateOptions, rights: Rights) -> None:
        self._is_alternative = options.identity == "alternative"
        self._rights = rights

    async def authorize(self, asking: Asking, wanted: Sequence[Access]) -> Identity:
        if asking.certificate is None:
            return self._admit_nobody(wanted)
        name = self._name(asking.certificate)
        if not name:
            raise DeniedError("the client certificate has no name of the kind that is wanted")
        identity = Identity(name)
        check_denied(self._rights, identity, wanted)
        return identity

    def _admit_nobody(self, wanted: Sequence[Access]) -> Identity:
        allowed = (self._rights.allows(ANONYMOUS, access) for access in wanted)
        if all(allowed) if wanted else self._admits_anonymous:
            return ANONYMOUS
        raise DeniedError("a client certificate that this registry trusts is needed")

    @property
    def _admits_anonymous(self) -> bool:
        return isinstance(self._rights, PolicyRights) and self._rights.policy.admits_anonymous

    def _name(self, certificate: ClientCertificate) -> str:
        if self._is_alternative:
            return certificate.names[0] if certificate.names else ""
        return certificate.name
