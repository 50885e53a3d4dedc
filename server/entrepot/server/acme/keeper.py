"""A certificate obtained before it is needed, and another one before it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from entrepot.server.acme.asking import Asking, AuthorityError
from entrepot.server.acme.cache import Cache
from entrepot.server.acme.certificate import Certificate
from entrepot.server.acme.claim import EXPIRY, Claim
from entrepot.server.acme.clock import Clock
from entrepot.server.acme.refusals import Refusals
from entrepot.server.acme.wish import Wish

_LOG = logging.getLogger("entrepot.server.acme")
_ORDER = 120.0  # seconds for an order
_OTHER = _ORDER + EXPIRY  # seconds that another process may take
_PATIENCE = 60.0  # seconds in which an authority must be reached for the first certificate
_AGAIN = 5.0  # seconds between two tries of the first one
_GLANCE = 1.0  # seconds between two looks at what another process does
_LOOK = 3600.0  # seconds between two looks at the cache, at most
_ADVICE = timedelta(hours=6)  # between two questions when to renew
_RETRY, _LONGEST_RETRY = 300.0, 6 * 3600.0  # seconds; Let's Encrypt allows 5 failures an hour
_LAST = 6  # this part of a certificate's life is not waited for, whatever the authority says


class Keeper:
    """Keeps the cache's certificate new. Its methods block.

    Many processes may do so at once: one of them asks, the others use what it gets.
    """

    def __init__(
        self, wish: Wish, cache: Cache, asking: Callable[[], Asking], clock: Clock
    ) -> None:
        self._wish = wish
        self._cache = cache
        self._asking = asking
        self._clock = clock
        self._claim = Claim(cache.folder)
        self._refusals = Refusals(wish, cache)
        self._failures = 0
        self._advised: tuple[bytes, datetime | None, datetime] | None = None

    def first(self) -> None:
        """Return when there is a certificate to serve.

        One that is valid is served, also if it is due; that is for `keep`. One that is not for
        all hosts is served if no other can be had.

        Raises AuthorityError: there is none, and the authority refuses or cannot be reached.
        """
        found = self._cache.certificate()
        if found is not None and found.is_valid(self._clock.now()):
            if found.covers(self._wish.hosts):
                _LOG.info("certificate for %s from the cache, %s", self._names, _until(found))
                return
            _LOG.info("the certificate in the cache is not for all of %s", self._names)
            if found.names.intersection(self._wish.hosts):
                self._serve_meanwhile(found)
                return
        self._insist()

    def _serve_meanwhile(self, found: Certificate) -> None:
        try:
            self._renew(self._clock.seconds() + _OTHER)
        except AuthorityError as error:
            _LOG.error("no certificate for all of %s: %s; the old one stays", self._names, error)
            self._failures = 1

    def _insist(self) -> None:
        self._refusals.check(self._clock.now())
        end = self._clock.seconds() + _PATIENCE
        while True:
            try:
                self._renew(self._clock.seconds() + _OTHER)
                self._refusals.forget()
                return
            except AuthorityError as error:
                if error.is_refusal:
                    self._refusals.note(self._clock.now(), str(error))
                if error.is_refusal or self._clock.seconds() + _AGAIN > end:
                    raise
                _LOG.warning("no certificate yet: %s; asking again", error)
            if self._clock.wait(_AGAIN):
                raise AuthorityError("stopped while waiting for a certificate")

    def keep(self) -> None:
        """Renew whenever it is time; returns when the clock is stopped."""
        while not self._clock.wait(self.pause()):
            self.look()

    def look(self) -> None:
        """Renew if it is time; what keeps from it is logged in one line."""
        found = self._cache.certificate()
        if found is not None and self._is_fresh(found):
            self._failures = 0
            return
        try:
            self._renew(self._clock.seconds() + _OTHER)
            self._failures = 0
        except Exception as error:
            self._failures += 1
            known = isinstance(error, AuthorityError | OSError)
            again = timedelta(seconds=round(self.pause()))
            _LOG.error(
                "certificate for %s not renewed: %s; the old one%s stays, next try in %s",
                *(self._names, error, f", {_until(found)}," if found else "", again),
                exc_info=None if known else error,
            )

    def pause(self) -> float:
        """Seconds until the next look."""
        found = self._cache.certificate()
        life = found.lifetime.total_seconds() if found else 90 * 86400.0
        if self._failures:
            first = max(1.0, min(_RETRY, life / 100))
            longest = max(first, min(_LONGEST_RETRY, life / 30))
            return float(min(longest, first * 2 ** (min(self._failures, 20) - 1)))
        if found is None:
            return _AGAIN
        left = (self._due(found) - self._clock.now()).total_seconds()
        return max(1.0, min(_LOOK, left))

    def close(self) -> None:
        """Stop, and leave no claim behind."""
        self._clock.stop()
        self._claim.release()

    @property
    def _names(self) -> str:
        return ", ".join(self._wish.hosts)

    def _is_fresh(self, certificate: Certificate) -> bool:
        now = self._clock.now()
        covers = certificate.is_valid(now) and certificate.covers(self._wish.hosts)
        return covers and now < self._due(certificate)

    def _due(self, certificate: Certificate) -> datetime:
        """When to renew: as the authority advises, in time for some more tries."""
        now = self._clock.now()
        known = self._advised
        if known is None or known[0] != certificate.chain or now >= known[2]:
            advice = self._advice(certificate)
            self._advised = known = (certificate.chain, advice, now + _ADVICE)
        if known[1] is None:
            return certificate.due
        return min(known[1], certificate.ends - certificate.lifetime / _LAST)

    def _advice(self, certificate: Certificate) -> datetime | None:
        try:
            return self._asking().suggestion(certificate)
        except Exception as error:  # advice is not worth a failure
            _LOG.debug("%s gives no advice: %s", self._wish.directory, error)
            return None

    def _renew(self, end: float) -> None:
        """See to a fresh certificate in the cache.

        Raises AuthorityError: there is none, also if there is none when `end` has come.
        """
        if not self._claimed(end):
            return
        with self._claim.alive():
            found = self._cache.certificate()
            if found is not None and self._is_fresh(found):
                return
            _LOG.info("asking %s for a certificate for %s", self._wish.directory, self._names)
            seconds = max(1.0, min(_ORDER, end - self._clock.seconds()))
            obtained = self._asking().obtain(seconds)
        _LOG.info("certificate for %s obtained, %s", self._names, _until(obtained))

    def _claimed(self, end: float) -> bool:
        """Whether it is on this process to ask; else another one has asked meanwhile."""
        sign, since = None, self._clock.seconds()
        while not self._take():
            found = self._cache.certificate()
            if found is not None and self._is_fresh(found):
                _LOG.info("certificate for %s by another process, %s", self._names, _until(found))
                return False
            seen, now = self._claim.sign(), self._clock.seconds()
            if sign is None and seen is not None:
                _LOG.info("another process is asking for a certificate; waiting for it")
            if seen is None or seen != sign:
                sign, since = seen, now
            elif now - since >= EXPIRY:
                _LOG.warning("a process ended while it asked for a certificate; asking anew")
                self._claim.break_off(seen)
                continue
            if now >= end:
                raise AuthorityError("another process has been asking for too long")
            if self._clock.wait(_GLANCE):
                raise AuthorityError("stopped while waiting for a certificate")
        return True

    def _take(self) -> bool:
        try:
            return self._claim.take()
        except OSError as error:
            reason = error.strerror or str(error)
            raise AuthorityError(f"cannot write to {self._cache.folder}: {reason}") from error


def _until(certificate: Certificate) -> str:
    return f"valid until {certificate.ends:%Y-%m-%d %H:%M} UTC"
