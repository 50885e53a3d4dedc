"""The folder that certificates are kept in, shared by workers and replicas.

Names and forms are those of Distribution 3: a certificate with its key in a file named like its
first host, the account's key in `acme_account+key`. Source: golang.org/x/crypto/acme/autocert.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from entrepot.core.errors import ConfigurationError
from entrepot.server.acme.certificate import Certificate

_LOG = logging.getLogger("entrepot.server.acme")
_ACCOUNT = "acme_account+key"
_ACCOUNT_OF_OLD = "acme_account.key"
_ANSWER = "+http-01"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MOST = 1024 * 1024  # bytes of a file


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """In the form that Go writes."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


class Cache:
    """Files of one folder, each written whole and readable by its owner only."""

    def __init__(self, folder: Path, hosts: tuple[str, ...]) -> None:
        self.folder = folder
        self.path = folder / hosts[0]
        """Of the certificate, with its key."""
        self._told: bytes | None = None

    def prepare(self) -> None:
        """Make the folder if it is missing.

        Raises ConfigurationError: it cannot be written to.
        """
        probe = f"acme+probe.{secrets.token_hex(8)}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.write(probe, b"")
            (self.folder / probe).unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigurationError(
                f"http.tls.letsencrypt.cachefile: cannot write to {self.folder}: {reason}; give "
                "a folder that this user may write to"
            ) from error

    def certificate(self) -> Certificate | None:
        """What is there; None: nothing, or nothing that can be used, which is logged once."""
        content = b""
        try:
            content = self.read(self.path.name)
            return Certificate.parse(content)
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever the library says of what is in there
            if self._told != content:
                _LOG.warning("%s cannot be used: %s", self.path, error)
            self._told = content
            return None

    def store(self, key: bytes, chain: bytes) -> Certificate:
        """Raises ValueError: they do not fit together; OSError."""
        content = key + chain
        certificate = Certificate.parse(content)
        self.write(self.path.name, content)
        return certificate

    def account(self) -> ec.EllipticCurvePrivateKey:
        """The account's key, a new one if there is none that can be used. Raises OSError."""
        for name in (_ACCOUNT, _ACCOUNT_OF_OLD):
            try:
                key = load_pem_private_key(self.read(name), None)
            except FileNotFoundError:
                continue
            except Exception as error:  # as above
                _LOG.warning("%s cannot be used: %s", self.folder / name, error)
                continue
            if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size == 256:
                return key
            _LOG.warning("%s is no key on the curve P-256", self.folder / name)
        made = new_key()
        self.write(_ACCOUNT, pem(made))
        return made

    def answer(self, token: str) -> bytes | None:
        """What the authority wants to read under a token; None: nothing is known of it."""
        if not _TOKEN.fullmatch(token):
            return None
        try:
            return self.read(token + _ANSWER)
        except OSError:
            return None

    def put_answer(self, token: str, answer: str) -> None:
        """Raises ValueError: the token could lead out of the folder; OSError."""
        if not _TOKEN.fullmatch(token):
            raise ValueError("the authority gave a token that is none")
        self.write(token + _ANSWER, answer.encode("ascii"))

    def remove_answers(self) -> None:
        """All of them, also those that a process left when it was killed."""
        with contextlib.suppress(OSError):
            for path in self.folder.glob(f"*{_ANSWER}"):
                path.unlink(missing_ok=True)

    def read(self, name: str) -> bytes:
        """A file. Raises OSError."""
        with open(self.folder / name, "rb") as file:
            return file.read(_MOST)

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all, durable on return. Raises OSError."""
        new = self.folder / f"acme+new.{secrets.token_hex(8)}"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self.folder / name)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        self._sync()

    def _sync(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
