"""An ACME authority, asked through certbot's library. Source: RFC 8555."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, cast

from acme import challenges, crypto_util, errors, messages
from acme.client import ClientNetwork, ClientV2
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC

from entrepot.server.acme.asking import Asking, AuthorityError
from entrepot.server.acme.cache import Cache, new_key, pem
from entrepot.server.acme.certificate import Certificate
from entrepot.server.acme.reasons import is_refusal, reason
from entrepot.server.acme.wish import Wish

_SECONDS = 30  # for an answer of the authority
_RESOURCES = ("newNonce", "newAccount", "newOrder")
_NONCES = 10  # tries of a request whose nonce is refused; it says nothing about the request


class Authority(Asking):
    """Asks for what is wished, by the account whose key is in the cache.

    Its terms of service are agreed to, as Distribution does. `SSL_CERT_FILE` names who signs
    its own certificate, if that is a private one.
    """

    def __init__(self, wish: Wish, cache: Cache) -> None:
        self._wish = wish
        self._cache = cache

    def obtain(self, seconds: float) -> Certificate:
        with _told(self._wish.directory):
            deadline = datetime.now() + timedelta(seconds=seconds)  # noqa: DTZ005 - the library's
            client, account = self._client()
            self._log_in(client)
            key = pem(new_key())
            order = client.new_order(crypto_util.make_csr(key, list(self._wish.hosts)))
            try:
                self._answer(client, account, order)
                finished = client.poll_and_finalize(order, deadline)
            finally:
                self._cache.remove_answers()
            chain = finished.fullchain_pem.encode("ascii")
            check_given(key + chain, self._wish.hosts)
            return self._cache.store(key, chain)

    def suggestion(self, certificate: Certificate) -> datetime | None:
        with _told(self._wish.directory):
            network = _Network()
            client = ClientV2(_directory(self._wish.directory, network), network)
            return client.renewal_time(certificate.chain)[0]

    def _client(self) -> tuple[ClientV2, JWK]:
        account = JWKEC(key=self._cache.account())
        network = _Network(account)
        return ClientV2(_directory(self._wish.directory, network), network), account

    def _log_in(self, client: ClientV2) -> None:
        """Use the account of the key; it is made if the authority does not know it."""
        if client.external_account_required():
            raise AuthorityError(
                "it wants an account that was made elsewhere (external account binding)",
                is_refusal=True,
            )
        wanted = messages.NewRegistration.from_data(
            email=self._wish.email or None, terms_of_service_agreed=True
        )
        try:
            client.new_account(wanted)
        except errors.ConflictError as known:
            body = messages.Registration()
            client.net.account = messages.RegistrationResource(uri=known.location, body=body)

    def _answer(self, client: ClientV2, account: JWK, order: messages.OrderResource) -> None:
        """Put the answers where the authority will look, and tell it to."""
        self._cache.remove_answers()
        authorizations: Any = order.authorizations  # decoders, for those who check types
        for authorization in authorizations:
            body: messages.Authorization = authorization.body
            if body.status != messages.STATUS_VALID:
                offered = _offered(body)
                challenge = offered.chall
                self._cache.put_answer(challenge.encode("token"), challenge.validation(account))
                client.answer_challenge(offered, challenge.response(account))


def _offered(body: Any) -> Any:
    """The challenge by http-01. Raises AuthorityError: there is none."""
    for one in body.challenges:
        if isinstance(one.chall, challenges.HTTP01):
            return one
    raise AuthorityError(
        f"{body.identifier.value} cannot be proved by http-01 there", is_refusal=True
    )


def check_given(content: bytes, hosts: Sequence[str]) -> None:
    """Raises AuthorityError: it is not what was wished for, and would be asked for again."""
    try:
        given = Certificate.parse(content)
    except ValueError as error:
        raise AuthorityError(f"what it gave cannot be used: {error}", is_refusal=True) from error
    if not given.covers(hosts):
        names = ", ".join(sorted(given.names))
        raise AuthorityError(f"it gave a certificate for {names} only", is_refusal=True)


class _Network(ClientNetwork):
    """The library's, more patient with nonces that are refused."""

    def __init__(self, account: JWK | None = None) -> None:
        trusted: str | bool = os.environ.get("SSL_CERT_FILE") or True
        super().__init__(
            account,
            alg=ES256,
            verify_ssl=cast("bool", trusted),  # it goes to requests, which takes a path, too
            user_agent=f"entrepot/{version('entrepot')}",
            timeout=_SECONDS,
        )

    def post(self, *args: Any, **kwargs: Any) -> Any:
        for _ in range(_NONCES - 1):
            try:
                return self._post_once(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return self._post_once(*args, **kwargs)


def _directory(url: str, network: ClientNetwork) -> messages.Directory:
    directory = ClientV2.get_directory(url, network)
    try:
        for name in _RESOURCES:
            directory[name]
    except KeyError as error:
        raise AuthorityError("there is no ACME directory", is_refusal=True) from error
    return directory


@contextmanager
def _told(directory: str) -> Generator[None, None, None]:
    """Every failure in one line that names the authority."""
    try:
        yield
    except AuthorityError as error:
        raise AuthorityError(f"{directory}: {error}", is_refusal=error.is_refusal) from error
    except Exception as error:
        text = reason(error)
        raise AuthorityError(f"{directory}: {text}", is_refusal=is_refusal(error)) from error
