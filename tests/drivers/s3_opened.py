"""An S3 driver over the fake server, without the SDK, which takes its time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.drivers.s3_fake import BUCKET, SMALLEST, S3Fake

from entrepot.drivers.s3.client import Client, Patience
from entrepot.drivers.s3.driver import S3Driver
from entrepot.drivers.s3.session import session_for
from entrepot.drivers.s3.signing import Keys, Place
from entrepot.drivers.s3.verbs import Verbs

PART = SMALLEST
QUICK = Patience(pause=0.001)


@dataclass(frozen=True)
class Given:
    access_key: str = "AKFAKE"
    secret_key: str = "very-secret"
    token: str | None = None


@asynccontextmanager
async def opened(fake: S3Fake, **more: object) -> AsyncGenerator[S3Driver, None]:
    """Takes options besides those of the fake."""
    options = fake.options(**more)
    place = Place("http", fake.endpoint.removeprefix("http://"), f"/{BUCKET}/", "us-east-1")

    async def credentials() -> Keys:
        return Given()

    async with session_for(options, place, verify=True) as session:
        connections = options.maxconnections
        client = Client(
            session,
            place,
            credentials,
            connections=connections,
            sign_payload=True,
            patience=QUICK,
        )
        yield S3Driver(Verbs(client, options), place, credentials)
