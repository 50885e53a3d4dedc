"""What the registry talks to: `notifications`, `redis`, `health`, `proxy`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from entrepot.core.configuration.addresses import Address
from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.model_base import (
    Headers,
    Plugged,
    Secret,
    SecretText,
    Section,
    Variable,
)
from entrepot.core.configuration.model_http import WebUrl

_SECOND = Duration.parse("1s")
_TEN_SECONDS = Duration.parse("10s")


class Events(Section):
    """What an event contains."""

    includereferences: bool = False
    """Name what a manifest refers to."""


class Ignore(Section):
    """Events that an endpoint does not get."""

    mediatypes: tuple[str, ...] = ()
    """Media types of their targets."""
    actions: tuple[str, ...] = ()
    """Actions: `pull`, `push`, `mount`, `delete`."""


class Outbox(Section):
    """Where events wait until their receivers have taken them, across restarts."""

    disabled: bool = False
    """Keep events in memory only, as Distribution does: those that wait are lost at the end."""
    path: str = "./entrepot-outbox"
    """A folder on a local disk, shared by the workers of one registry and by nobody else."""
    maxevents: int = Field(default=100_000, ge=1)
    """Most events that wait for one endpoint."""
    maxbytes: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)
    """Most bytes of events that wait for one endpoint."""


class Endpoint(Section):
    """One receiver of events."""

    name: str = ""
    """Name of the endpoint in logs and metrics."""
    disabled: bool = False
    """Send it nothing."""
    url: WebUrl = ""
    """Where events are posted."""
    headers: Annotated[Headers, Secret()] = Field(default_factory=dict[str, tuple[str, ...]])
    """Headers of every request to it."""
    timeout: Duration = _SECOND
    """How long a request may take."""
    threshold: int = Field(default=10, ge=0)
    """Failures in a row until it is left alone for `backoff`."""
    backoff: Duration = _SECOND
    """How long it is left alone."""
    ignoredmediatypes: tuple[str, ...] = ()
    """Media types whose events it does not get."""
    ignore: Ignore = Ignore()
    """Events that it does not get."""
    format: Literal["distribution", "cloudevents"] = "distribution"
    """Form of a request: Distribution's envelope, or CloudEvents 1.0 as structured JSON."""
    batch: int = Field(default=1, ge=1, le=1000)
    """Most events of one request."""
    maxattempts: int = Field(default=0, ge=0)
    """Times that it may refuse an event until that becomes a dead letter; 0: without end."""
    maxage: Duration = Duration.parse("0s")
    """Age at which an event becomes a dead letter; 0: never."""


class Notifications(Section):
    """Who is told of pushes, pulls and deletions."""

    events: Annotated[Events, Variable("EVENTCONFIG")] = Events()
    """What an event contains."""
    endpoints: tuple[Endpoint, ...] = ()
    """The receivers."""
    outbox: Outbox = Outbox()
    """Where events wait for the receivers."""
    observers: tuple[Plugged, ...] = ()
    """Plug-ins that are told, too."""


class RedisTls(Section):
    """Encryption towards Redis."""

    enabled: bool = False
    """Speak TLS even without a certificate of our own."""
    certificate: str = ""
    """Path of the client's certificate, PEM."""
    key: str = ""
    """Path of its private key, PEM."""
    rootcas: tuple[str, ...] = ()
    """Paths of the authorities trusted, PEM."""


class RedisPool(Section):
    """The connection pool as Distribution 2 writes it."""

    maxidle: int | None = None
    """Deprecated: write `redis.maxidleconns`."""
    maxactive: int | None = None
    """Deprecated: write `redis.maxactiveconns`."""
    idletimeout: Duration | None = None
    """Deprecated: write `redis.connmaxidletime`."""


class Redis(Section):
    """A Redis server: one address; a cluster: several; sentinels: with `mastername`."""

    inlined: ClassVar[str] = "OPTIONS"

    addrs: tuple[str, ...] = ()
    """Hosts and ports."""
    addr: str = ""
    """Deprecated: write `redis.addrs`."""
    username: str = ""
    """User name."""
    password: SecretText = ""
    """Password."""
    db: int = Field(default=0, ge=0)
    """Number of the database."""
    protocol: int | None = None
    """Version of the protocol, 2 or 3."""
    clientname: str = ""
    """Name that the server shows for our connections."""
    mastername: str = ""
    """Name of the master that the sentinels know."""
    sentinelusername: str = ""
    """User name at the sentinels."""
    sentinelpassword: SecretText = ""
    """Password at the sentinels."""
    maxretries: int | None = None
    """Further tries of a command; -1 for none."""
    minretrybackoff: Duration | None = None
    """Shortest wait before a further try."""
    maxretrybackoff: Duration | None = None
    """Longest wait before a further try."""
    dialtimeout: Duration | None = None
    """How long connecting may take."""
    readtimeout: Duration | None = None
    """How long an answer may take."""
    writetimeout: Duration | None = None
    """How long sending a command may take."""
    contexttimeoutenabled: bool = False
    """Let a request's own time limit hold for commands."""
    poolfifo: bool = False
    """Use connections in turn, not the latest first."""
    poolsize: int | None = None
    """Connections kept for each processor."""
    pooltimeout: Duration | None = None
    """How long to wait for a free connection."""
    minidleconns: int | None = None
    """Least idle connections."""
    maxidleconns: int | None = None
    """Most idle connections."""
    maxactiveconns: int | None = None
    """Most connections."""
    connmaxidletime: Duration | None = None
    """How long a connection may be idle."""
    connmaxlifetime: Duration | None = None
    """How old a connection may be."""
    maxredirects: int | None = None
    """Redirections followed in a cluster."""
    readonly: bool = False
    """Read from replicas of a cluster."""
    routebylatency: bool = False
    """Read from the nearest node of a cluster."""
    routerandomly: bool = False
    """Read from any node of a cluster."""
    disableidentity: bool = False
    """Do not name the client library to the server."""
    identitysuffix: str = ""
    """Text behind the client library's name."""
    unstableresp3: bool = False
    """A switch of Distribution's client library."""
    tls: RedisTls = RedisTls()
    """Encryption."""
    pool: RedisPool = RedisPool()
    """Deprecated: the pool as Distribution 2 writes it."""


class StorageCheck(Section):
    """A look at the storage, again and again."""

    enabled: bool = False
    """Look."""
    interval: Duration = _TEN_SECONDS
    """Time between two looks."""
    threshold: int = Field(default=0, ge=0)
    """Failures in a row that make the registry unhealthy; 0 is 1."""
    timeout: Duration = _TEN_SECONDS
    """How long a look may take; 0 is 10s."""


class FileCheck(Section):
    """A file that makes the registry unhealthy while it exists."""

    file: str = Field(min_length=1)
    """Its path."""
    interval: Duration = _TEN_SECONDS
    """Time between two looks."""
    threshold: int = Field(default=0, ge=0)
    """Looks in a row that must find it; 0 is 1."""


class HttpCheck(Section):
    """A URL that must answer."""

    uri: Annotated[WebUrl, Field(min_length=1)]
    """The URL."""
    headers: Annotated[Headers, Secret()] = Field(default_factory=dict[str, tuple[str, ...]])
    """Headers of the request."""
    timeout: Duration = _TEN_SECONDS
    """How long the answer may take; 0 is 10s."""
    interval: Duration = _TEN_SECONDS
    """Time between two requests."""
    statuscode: int = 200
    """The status that it must answer with."""
    threshold: int = Field(default=0, ge=0)
    """Failures in a row that make the registry unhealthy; 0 is 1."""


class TcpCheck(Section):
    """An address that must take connections."""

    addr: str
    """Host and port."""
    timeout: Duration = _TEN_SECONDS
    """How long connecting may take; 0 is 10s."""
    interval: Duration = _TEN_SECONDS
    """Time between two connections."""
    threshold: int = Field(default=0, ge=0)
    """Failures in a row that make the registry unhealthy; 0 is 1."""

    @field_validator("addr")
    @classmethod
    def _address(cls, text: str) -> str:
        return str(Address.parse(text))


class Health(Section):
    """Checks: while one fails, every request is answered 503."""

    storagedriver: StorageCheck = StorageCheck()
    """A look at the storage."""
    file: Annotated[tuple[FileCheck, ...], Variable("FILECHECKERS")] = ()
    """Files that must not exist."""
    http: Annotated[tuple[HttpCheck, ...], Variable("HTTPCHECKERS")] = ()
    """URLs that must answer."""
    tcp: Annotated[tuple[TcpCheck, ...], Variable("TCPCHECKERS")] = ()
    """Addresses that must take connections."""


class ProxyExec(Section):
    """A program that gives the credentials for the remote registry."""

    command: str = ""
    """The program."""
    lifetime: Duration | None = None
    """How long its answer is used; 0: once; not given: for ever."""


class Proxy(Section):
    """A pull-through cache of another registry."""

    remoteurl: WebUrl = ""
    """The other registry."""
    username: str = ""
    """User name there."""
    password: SecretText = ""
    """Password there."""
    exec: ProxyExec | None = None
    """A program that gives the credentials."""
    ttl: Duration = Duration.parse("168h")
    """How long content is kept; 0: for ever."""
    cachewritetimeout: Duration = Duration.parse("5m")
    """How long storing what is pulled may take."""
