"""One request on its way through the registry: what the endpoints work with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from entrepot.core.access import ANONYMOUS, Identity
from entrepot.core.names import RepositoryName
from entrepot.core.networks import Address, Network, address_of
from entrepot.core.registry import Registry, Repository
from entrepot.server.account import Account, account
from entrepot.server.authorization.addresses import client_address
from entrepot.server.authorization.rights import PolicyRights
from entrepot.server.errors import QueryInvalidError
from entrepot.server.handover import Handover
from entrepot.server.listeners import Listeners
from entrepot.server.urls import Urls


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration allows a request. `idle` is seconds, others are counts; `proxies`
    are believed where clients are.
    """

    idle: float = 300.0
    catalogue_entries: int = 1000
    tags: int = 1000
    tag_parameters: int = 32
    proxies: Sequence[Network] = ()


def parsed_query(raw: bytes) -> list[tuple[str, str]]:
    """The parameters of a query, in order. Raises QueryInvalidError: if there are too many."""
    if not raw:
        return []
    try:
        return parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise QueryInvalidError("too many query parameters: 100 at most") from None


def only(query: Iterable[tuple[str, str]], key: str) -> str | None:
    """A parameter's value. Raises QueryInvalidError: if it is given twice with two values."""
    values = {value for name, value in query if name == key}
    if len(values) > 1:
        raise QueryInvalidError(f"query parameter {key} is given more than once")
    return values.pop() if values else None


@dataclass(frozen=True)
class Call:
    """A request whose endpoint is known.

    `reference` is what stands last in the path, unparsed: a tag, a digest, an upload's id.
    `identity` is who the client is; it may do what it asks for. `is_guarded`: not everybody may
    read everything, so content of repositories that the request does not name is not given.
    `rights` are those of an access policy; the catalogue shows what they let the client pull.
    `parsed` is `name`, where somebody has parsed it already.
    """

    scope: Scope
    receive: Receive
    registry: Registry
    urls: Urls
    limits: Limits
    method: str
    name: str = ""
    reference: str = ""
    identity: Identity = ANONYMOUS
    is_guarded: bool = False
    listeners: Listeners | None = None
    rights: PolicyRights | None = None
    handover: Handover | None = None
    parsed: RepositoryName | None = None

    @cached_property
    def repository(self) -> Repository:
        """Raises NameInvalidError."""
        return self.registry.repository(self.parsed or RepositoryName.parse(self.name))

    @property
    def account(self) -> Account:
        return account(self.scope)

    @property
    def client(self) -> Address | None:
        """Where the client is, as far as those who say so are trusted; None: nobody knows."""
        return address_of(client_address(self.scope, self.limits.proxies))

    @cached_property
    def headers(self) -> Headers:
        return Headers(scope=self.scope)

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        return parsed_query(self.scope["query_string"])

    def parameter(self, key: str) -> str | None:
        """A query parameter. Raises QueryInvalidError: if it is given twice with two values."""
        return only(self.query, key)

    def locate(self, path: str) -> str:
        """A path below `/v2/` as this client can reach it."""
        return self.urls.locate(self.scope, f"/v2/{path}")

    @property
    def content_length(self) -> int | None:
        """The announced size of the body; None if it comes chunked."""
        length = self.headers.get("content-length")
        if length is not None and length.isdecimal():
            return int(length)
        return None if "transfer-encoding" in self.headers or self._framed else 0

    @property
    def _framed(self) -> bool:
        """HTTP/2 bodies have no length of their own and need no header to be there."""
        return not self.scope.get("http_version", "1.1").startswith("1")
