"""The `http` section: where the server listens and how it speaks."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from entrepot.core.configuration.addresses import Address
from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.model_base import Headers, NetworkText, SecretText, Section

ClientAuth: TypeAlias = Literal[
    "request-client-cert",
    "require-any-client-cert",
    "verify-client-cert-if-given",
    "require-and-verify-client-cert",
]
SendfileHeader: TypeAlias = Literal["", "X-Accel-Redirect", "X-Sendfile"]
MinimumTls: TypeAlias = Literal["tls1.0", "tls1.1", "tls1.2", "tls1.3"]


def _sendfile_header(given: object) -> object:
    """Known in any case, as names of headers are."""
    known = {name.lower(): name for name in get_args(SendfileHeader)}
    return known.get(given.lower(), given) if isinstance(given, str) else given


def _is_web_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if text and not good:
        raise ValueError("a URL is wanted; write it like https://registry.example.com")
    return text


WebUrl: TypeAlias = Annotated[str, AfterValidator(_is_web_url)]


class LetsEncrypt(Section):
    """Certificates from an ACME authority."""

    cachefile: str = ""
    """Where certificates are kept."""
    email: str = ""
    """Address that the authority writes to."""
    hosts: tuple[str, ...] = ()
    """Names that certificates are asked for."""
    directoryurl: WebUrl = ""
    """The authority; Let's Encrypt if not given."""
    httpaddr: str = Field(default=":80", validate_default=True)
    """Where the authority's questions are answered, over plain HTTP."""

    @field_validator("httpaddr")
    @classmethod
    def _address(cls, text: str) -> str:
        return str(Address.parse(text))


class Tls(Section):
    """Encryption, on when there is a certificate."""

    certificate: str = ""
    """Path of the certificate chain, PEM."""
    key: str = ""
    """Path of its private key, PEM."""
    clientcas: tuple[str, ...] = ()
    """Paths of the authorities that sign clients' certificates, PEM."""
    clientauth: ClientAuth = "require-and-verify-client-cert"
    """What is asked of clients when `clientcas` is given."""
    minimumtls: MinimumTls = "tls1.2"
    """The oldest version spoken."""
    ciphersuites: tuple[str, ...] = ()
    """Names of the cipher suites spoken, as Go has them."""
    letsencrypt: LetsEncrypt = LetsEncrypt()
    """Certificates from an ACME authority."""


class Prometheus(Section):
    """Metrics on the debug listener."""

    enabled: bool = False
    """Serve metrics."""
    path: str = "/metrics"
    """Path of the metrics."""

    @field_validator("path")
    @classmethod
    def _path(cls, text: str) -> str:
        if not re.fullmatch(r"/[A-Za-z0-9._~/-]+", text) or text == "/debug/health":
            raise ValueError("a path of its own is wanted; write it like /metrics")
        return text


class Debug(Section):
    """A second listener, for those who run the registry."""

    addr: str = ""
    """Address of the listener; there is none without it."""
    prometheus: Prometheus = Prometheus()
    """Metrics on it."""

    @field_validator("addr")
    @classmethod
    def _address(cls, text: str) -> str:
        return str(Address.parse(text)) if text else text


class Http2(Section):
    """HTTP/2 over TLS."""

    disabled: bool = False
    """Speak HTTP/1.1 only."""


class H2c(Section):
    """HTTP/2 without TLS."""

    enabled: bool = False
    """Speak it."""


class Sendfile(Section):
    """Letting the proxy in front send blobs from their files."""

    header: Annotated[SendfileHeader, BeforeValidator(_sendfile_header)] = ""
    """What the proxy reads: `X-Accel-Redirect` (nginx) or `X-Sendfile` (Apache); off without."""
    prefix: str = ""
    """Path of nginx's internal location; it stands for the folder of the driver."""
    minsize: ByteSize = ByteSize(64 * 1024)
    """Bytes of the smallest blob that the proxy sends."""

    @model_validator(mode="after")
    def _prefix_of_nginx(self) -> Self:
        is_nginx = self.header == "X-Accel-Redirect"
        if is_nginx and not re.fullmatch(r"/[A-Za-z0-9._~-][A-Za-z0-9._~/-]*/", self.prefix):
            raise ValueError(
                "`prefix` is to be the path of nginx's internal location, with a slash at both "
                "ends; write it like /entrepot-blobs/"
            )
        if self.prefix and not is_nginx:
            raise ValueError("`prefix` goes with `header: X-Accel-Redirect` only")
        return self


class Http(Section):
    """Where the server listens and how it speaks."""

    net: Literal["tcp", "unix"] = "tcp"
    """What `addr` is: a TCP address or the path of a Unix socket."""
    addr: str = Field(default=":5000", validate_default=True)
    """Where to listen."""
    prefix: str = "/"
    """Path that every URL of the registry begins with."""
    host: WebUrl = ""
    """The registry's URL as clients know it, if it cannot be seen from their requests."""
    secret: SecretText = ""
    """Not needed: uploads carry no signed state."""
    relativeurls: bool = False
    """Answer with URLs that have no scheme and host."""
    draintimeout: Duration = Duration.parse("20s")
    """How long running requests may go on once the server is told to stop."""
    idletimeout: Duration = Duration.parse("5m")
    """How long a client may send nothing in the middle of a body."""
    workers: int = Field(default=1, ge=1)
    """Processes that serve."""
    trustedproxies: tuple[NetworkText, ...] = ()
    """Networks of proxies whose `X-Forwarded-For` says where clients are."""
    sendfile: Sendfile = Sendfile()
    """Letting the proxy in front send blobs from their files."""
    tls: Tls = Tls()
    """Encryption."""
    headers: Headers = Field(default_factory=dict[str, tuple[str, ...]])
    """Headers put in every answer."""
    debug: Debug = Debug()
    """A second listener, for those who run the registry."""
    http2: Http2 = Http2()
    """HTTP/2 over TLS."""
    h2c: H2c = H2c()
    """HTTP/2 without TLS."""

    @field_validator("addr")
    @classmethod
    def _address(cls, text: str, info: ValidationInfo) -> str:
        if info.data.get("net") != "unix":
            Address.parse(text)
        elif "/" not in text:
            raise ValueError("a path is wanted with `net: unix`; write it like /run/registry.sock")
        return text

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, text: str) -> str:
        if not (text.startswith("/") and text.endswith("/")):
            raise ValueError("it must begin and end with '/'; write it like /my/registry/")
        return text

    @field_validator("idletimeout")
    @classmethod
    def _some_time(cls, duration: Duration) -> Duration:
        if not duration.nanoseconds:
            raise ValueError("more than 0 is wanted; write it like 5m")
        return duration

    @model_validator(mode="after")
    def _knows_who_sends_files(self) -> Self:
        if self.sendfile.header and self.net == "tcp" and not self.trustedproxies:
            raise ValueError(
                "`sendfile` needs `trustedproxies`: anybody else would get answers without "
                "content; write it like [127.0.0.1]"
            )
        return self

    @property
    def address(self) -> Address | None:
        """The TCP address to listen on; None: it is the Unix socket `addr`."""
        return Address.parse(self.addr) if self.net == "tcp" else None
