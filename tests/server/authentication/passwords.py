"""Files of names and passwords, headers made of them, and what comes of both."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import bcrypt

from entrepot.core.access import (
    Access,
    Asking,
    Authenticator,
    BusyError,
    DeniedError,
    Rights,
    UnauthorizedError,
)
from entrepot.server.authentication import htpasswd
from entrepot.server.authentication.everyone import Everyone
from entrepot.server.authentication.options import HtpasswdOptions

__all__ = ["ALICE", "ALICE_IN", "PULL", "PUSH", "basic", "hashed", "judged", "opened", "said"]

PULL = Access("repository", "a", "pull")
PUSH = Access("repository", "a", "push")


def hashed(password: str | bytes, cost: int = 4, prefix: bytes = b"2b") -> str:
    raw = password.encode() if isinstance(password, str) else password
    made = bcrypt.hashpw(raw, bcrypt.gensalt(cost)).decode()
    return made.replace("$2b$", f"${prefix.decode()}$", 1)


ALICE = f"alice:{hashed('s3cret')}\n"


def basic(user: str | bytes, password: str | bytes = "") -> str:
    parts = [each.encode() if isinstance(each, str) else each for each in (user, password)]
    return "Basic " + base64.b64encode(b":".join(parts)).decode()


@asynccontextmanager
async def opened(file: Path, rights: Rights | None = None) -> AsyncGenerator[Authenticator, None]:
    options = HtpasswdOptions(realm="r", path=str(file))
    async with htpasswd.opened(options, rights or Everyone()) as authenticator:
        yield authenticator


def judged(
    file: Path,
    header: str | None,
    wanted: Sequence[Access] = (PULL, PUSH),
    rights: Rights | None = None,
) -> str:
    """The name of whom a header lets in; else the word for why not."""

    async def asking() -> str:
        async with opened(file, rights) as authenticator:
            return await said(authenticator, header, wanted)

    return asyncio.run(asking())


async def said(
    authenticator: Authenticator, header: str | None, wanted: Sequence[Access] = (PULL, PUSH)
) -> str:
    try:
        return (await authenticator.authorize(Asking(header), wanted)).name or "<nobody>"
    except UnauthorizedError as error:
        return "401" if error.challenge == 'Basic realm="r"' else error.challenge
    except DeniedError:
        return "403"
    except BusyError:
        return "429"


ALICE_IN = basic("alice", "s3cret")
