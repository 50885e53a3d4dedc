"""Who asks for what: the contract of authenticators.

An authenticator is asked before anything is read. It says who the client is, or refuses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from entrepot.core.errors import ProtocolError
from entrepot.core.plugin_options import PluginOptions


@dataclass(frozen=True, slots=True)
class Access:
    """One thing that a request needs, in the words of Distribution's token scopes.

    `type` is `repository`, with `pull`, `push` or `delete` as `action`; or `registry`, with the
    name `catalog` and the action `*`.
    """

    type: str
    name: str
    action: str


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate that a client proved to have and an authority of the configuration signed."""

    name: str  # the subject's common name
    names: tuple[str, ...] = ()  # its alternative names: DNS names, mail addresses, URIs


@dataclass(frozen=True, slots=True)
class Asking:
    """A request as far as an authenticator may see it; texts are as the client sent them."""

    authorization: str | None = field(default=None, repr=False)  # of the header of that name
    certificate: ClientCertificate | None = None
    base: str = ""  # scheme and host as the client reaches us; empty if that is unclear
    address: str = ""  # the peer's, without port
    moment: float | None = None
    """Judge credentials as of this time, in seconds since the epoch; None: now.

    It is when an upload began that the request goes on with: who was let in then may finish.
    """

    is_told: bool = False  # `base` is what the configuration or a proxy says, not a guess
    root: str = ""  # the path below which the client reaches `/v2/`, if there is one


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a client is; the name of somebody who did not say is empty."""

    name: str = ""
    groups: frozenset[str] = frozenset()


ANONYMOUS = Identity()


class UnauthorizedError(ProtocolError):
    """The client has to say who it is; `challenge` is the WWW-Authenticate header's value.

    `is_expired`: its credentials were good once, and nothing else is wrong with them.
    """

    code = "UNAUTHORIZED"

    def __init__(
        self, message: str, challenge: str, *, detail: Any = None, is_expired: bool = False
    ) -> None:
        super().__init__(message, detail=detail)
        self.challenge = challenge
        self.is_expired = is_expired


class DeniedError(ProtocolError):
    """The client is known, and may not do this."""

    code = "DENIED"


class BusyError(ProtocolError):
    """Too much is asked of an authenticator at once; `retry_after` is in seconds."""

    code = "TOOMANYREQUESTS"

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AuthenticationUnavailableError(ProtocolError):
    """Nobody can be told apart now, which is no client's fault; `retry_after` is in seconds.

    What is wrong is logged by whoever raises it, and not told.
    """

    code = "UNAVAILABLE"

    def __init__(self, message: str, *, retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rights(Protocol):
    """What somebody may do, for authenticators whose credentials do not say it themselves."""

    def allows(self, identity: Identity, access: Access) -> bool:
        """Whether the access policy lets this client do this."""
        ...


class Authenticator(ABC):
    """One way of authentication, shared by all tasks of one event loop."""

    def recall(self, authorization: str, wanted: Sequence[Access]) -> Identity | None:
        """Who the client of an Authorization header is, if it may have all of `wanted`.

        Only a short way to what `authorize` would say, for credentials that were good a moment
        ago: it waits for nothing, and None, which is the default, means that it has to be asked.
        """
        return None

    @abstractmethod
    async def authorize(self, asking: Asking, wanted: Sequence[Access]) -> Identity:
        """Who the client is, if it may have all of `wanted` (nothing at all for `/v2/`).

        Secrets in `asking` are compared in constant time and repeated nowhere.

        Raises UnauthorizedError: if it has to show (other) credentials; DeniedError: if it is
        known and may not; BusyError; AuthenticationUnavailableError.
        """


class AuthenticatorOptions(PluginOptions):
    """What an authenticator's section may contain: subclass it, one field a key."""


AuthenticatorOptionsT = TypeVar("AuthenticatorOptionsT", bound=AuthenticatorOptions)
AuthenticatorOptionsT_contra = TypeVar(
    "AuthenticatorOptionsT_contra", bound=AuthenticatorOptions, contravariant=True
)


class OpenAuthenticator(Protocol[AuthenticatorOptionsT_contra]):
    """Opens an authenticator inside a running event loop, in every worker.

    Leaving the context ends what it began.

    Raises ConfigurationError: if it cannot work as configured, naming the key and what to do.
    """

    def __call__(
        self, options: AuthenticatorOptionsT_contra, rights: Rights, /
    ) -> AbstractAsyncContextManager[Authenticator, Any]: ...
