"""Ways of authentication: tokens of our own, client certificates."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from entrepot.core import hookimpl
from entrepot.core.access import Authenticator, Rights
from entrepot.core.hookspecs import RegisterAuthenticator
from entrepot.server.authorization.options import CertificateOptions, IssuingOptions


@asynccontextmanager
async def open_tokens(
    options: IssuingOptions, rights: Rights
) -> AsyncGenerator[Authenticator, None]:
    from entrepot.server.authorization import issuing  # noqa: PLC0415 - only where asked for

    async with issuing.open_issuing(options, rights) as authenticator:
        yield authenticator


@asynccontextmanager
async def open_certificate(
    options: CertificateOptions, rights: Rights
) -> AsyncGenerator[Authenticator, None]:
    from entrepot.server.authorization import certificate  # noqa: PLC0415 - only where asked for

    yield certificate.Certificate(options, rights)


@hookimpl
def register_authenticators(register: RegisterAuthenticator) -> None:
    register("entrepot", open_tokens, IssuingOptions)
    register("certificate", open_certificate, CertificateOptions)
