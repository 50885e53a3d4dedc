"""A service account's key, and what Google does to check a link signed with it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.drivers.gcs_fake_store import RefusalError

ACCOUNT = "registry@project.iam.gserviceaccount.com"


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def sign(content: bytes) -> bytes:
    return private_key().sign(content, padding.PKCS1v15(), hashes.SHA256())


def key_content(token_url: str) -> dict[str, str]:
    """What Google's console gives as the key of a service account."""
    pem = private_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": ACCOUNT,
        "client_id": "1",
        "token_uri": token_url,
    }


def check_link(method: str, url: str, public_key: Any) -> None:
    """Source: Google Cloud, "V4 signing process". Raises RefusalError."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    try:
        signature = bytes.fromhex(query["X-Goog-Signature"])
        made = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lives = timedelta(seconds=int(query["X-Goog-Expires"]))
        scope = query["X-Goog-Credential"].removeprefix(f"{ACCOUNT}/")
    except (LookupError, ValueError) as error:
        raise RefusalError(403, "Anonymous caller does not have storage.objects.get") from error
    signed = parts.query.partition("&X-Goog-Signature=")[0]
    request = f"{method}\n{parts.path}\n{signed}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    text = f"GOOG4-RSA-SHA256\n{query['X-Goog-Date']}\n{scope}\n{hashed}"
    try:
        public_key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise RefusalError(403, "SignatureDoesNotMatch") from error
    if datetime.now(UTC) > made + lives:
        raise RefusalError(400, "ExpiredToken")
