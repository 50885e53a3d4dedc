"""An authority and a clock for tests of what keeps certificates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from entrepot.core.configuration import Address
from entrepot.server.acme.asking import Asking, AuthorityError
from entrepot.server.acme.cache import Cache, new_key, pem
from entrepot.server.acme.certificate import Certificate
from entrepot.server.acme.clock import Clock
from entrepot.server.acme.keeper import Keeper
from entrepot.server.acme.wish import Wish

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
LIFE = timedelta(days=90)
DAY = timedelta(days=1)
HOSTS = ("a.example.com", "b.example.com")


def signed(
    hosts: Sequence[str],
    key: ec.EllipticCurvePrivateKey,
    begins: datetime = BEGIN,
    life: timedelta = LIFE,
) -> bytes:
    """A certificate that its own key signed, PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + life)
        .add_extension(names, critical=False)
        .add_extension(issuer, critical=False)
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def put(
    cache: Cache, hosts: Sequence[str], begins: datetime = BEGIN, life: timedelta = LIFE
) -> Certificate:
    """Store a certificate as if it had been obtained."""
    key = new_key()
    return cache.store(pem(key), signed(hosts, key, begins, life))


class FakeClock(Clock):
    """Waiting takes no time; `meanwhile` happens while somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self.waits: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.passed)

    def seconds(self) -> float:
        return self.passed

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.passed += seconds
        self.meanwhile()
        return super().wait(0)

    def go_to(self, when: timedelta) -> None:
        self.passed = when.total_seconds()


class FakeAsking(Asking):
    """Gives a certificate for `hosts`, unless there are `failures` left to raise."""

    def __init__(self, cache: Cache, hosts: Sequence[str], clock: FakeClock) -> None:
        self._cache = cache
        self._hosts = hosts
        self._clock = clock
        self.asked = 0
        self.failures: list[Exception] = []
        self.advice: datetime | Exception | None = None

    def obtain(self, seconds: float) -> Certificate:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return put(self._cache, self._hosts, self._clock.now())

    def suggestion(self, certificate: Certificate) -> datetime | None:
        if isinstance(self.advice, Exception):
            raise self.advice
        return self.advice


@dataclass
class Kept:
    keeper: Keeper
    asking: FakeAsking
    clock: FakeClock
    cache: Cache

    @property
    def claim(self) -> Path:
        return self.cache.folder / "acme+claim"


def kept_in(folder: Path) -> Kept:
    """A keeper of a certificate for both hosts, in that folder."""
    wish = Wish(HOSTS, "", "https://authority.test/dir", folder, Address("", 80))
    cache, clock = Cache(folder, HOSTS), FakeClock()
    asking = FakeAsking(cache, HOSTS, clock)
    return Kept(Keeper(wish, cache, lambda: asking, clock), asking, clock, cache)


def refusal() -> AuthorityError:
    return AuthorityError("it does not want to", is_refusal=True)


def outage() -> AuthorityError:
    return AuthorityError("Connection refused")
