"""Ways of authentication: silly, htpasswd, token."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from entrepot.core import hookimpl
from entrepot.core.access import Authenticator, Rights
from entrepot.core.hookspecs import RegisterAuthenticator
from entrepot.server.authentication.options import HtpasswdOptions, SillyOptions, TokenOptions

_LOG = logging.getLogger("entrepot.server.authentication")


@asynccontextmanager
async def open_silly(options: SillyOptions, _: Rights) -> AsyncGenerator[Authenticator, None]:
    from entrepot.server.authentication.silly import Silly  # noqa: PLC0415 - only where asked for

    _LOG.warning("auth.silly: everybody who sends any credentials may do everything")
    yield Silly(options)


@asynccontextmanager
async def open_htpasswd(
    options: HtpasswdOptions, rights: Rights
) -> AsyncGenerator[Authenticator, None]:
    from entrepot.server.authentication import htpasswd  # noqa: PLC0415 - only where asked for

    async with htpasswd.opened(options, rights) as authenticator:
        yield authenticator


@asynccontextmanager
async def open_token(options: TokenOptions, _: Rights) -> AsyncGenerator[Authenticator, None]:
    from entrepot.server.authentication import token  # noqa: PLC0415 - only where asked for

    yield token.opened(options)


@hookimpl
def register_authenticators(register: RegisterAuthenticator) -> None:
    register("silly", open_silly, SillyOptions)
    register("htpasswd", open_htpasswd, HtpasswdOptions)
    register("token", open_token, TokenOptions)
