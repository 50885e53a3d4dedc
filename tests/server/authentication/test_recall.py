"""The short way for credentials that were good a moment ago admits nobody else."""

import base64
import time
from pathlib import Path

import bcrypt
import pytest

from entrepot.core.access import Access, Asking, DeniedError, Identity, UnauthorizedError
from entrepot.server.authentication.htpasswd import KEPT, opened
from entrepot.server.authentication.options import HtpasswdOptions

pytestmark = pytest.mark.anyio
PULL = (Access("repository", "a", "pull"),)
PUSH = (Access("repository", "a", "push"),)


class PullOnly:
    def allows(self, identity: Identity, access: Access) -> bool:
        return access.action == "pull"


def header(password: str) -> str:
    return "Basic " + base64.b64encode(f"alice:{password}".encode()).decode()


def write(path: Path, password: bytes) -> None:
    path.write_text(f"alice:{bcrypt.hashpw(password, bcrypt.gensalt(4, b'2a')).decode()}\n")


@pytest.fixture
def users(tmp_path: Path) -> Path:
    write(tmp_path / "users", b"first")
    return tmp_path / "users"


async def test_nothing_is_recalled_before_it_was_right(users: Path) -> None:
    async with opened(HtpasswdOptions(realm="r", path=str(users)), PullOnly()) as authenticator:
        assert authenticator.recall(header("first"), PULL) is None
        with pytest.raises(UnauthorizedError):
            await authenticator.authorize(Asking(header("wrong")), PULL)
        assert authenticator.recall(header("wrong"), PULL) is None


async def test_right_password_is_recalled_as_far_as_rights_go(users: Path) -> None:
    async with opened(HtpasswdOptions(realm="r", path=str(users)), PullOnly()) as authenticator:
        await authenticator.authorize(Asking(header("first")), PULL)

        assert authenticator.recall(header("first"), PULL) == Identity("alice")
        assert authenticator.recall(header("first"), PUSH) is None
        with pytest.raises(DeniedError):
            await authenticator.authorize(Asking(header("first")), PUSH)


async def test_password_that_was_changed_is_forgotten(users: Path) -> None:
    async with opened(HtpasswdOptions(realm="r", path=str(users)), PullOnly()) as authenticator:
        await authenticator.authorize(Asking(header("first")), PULL)
        write(users, b"second")

        deadline = time.monotonic() + 5
        while authenticator.recall(header("first"), PULL) is not None:
            assert time.monotonic() < deadline
        with pytest.raises(UnauthorizedError):
            await authenticator.authorize(Asking(header("first")), PULL)


async def test_recalled_no_longer_than_it_was_kept(
    users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(HtpasswdOptions(realm="r", path=str(users)), PullOnly()) as authenticator:
        await authenticator.authorize(Asking(header("first")), PULL)
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + KEPT - 1)
        await authenticator.authorize(Asking(header("first")), PULL)
        monkeypatch.setattr(time, "monotonic", lambda: now + KEPT + 1)

        assert authenticator.recall(header("first"), PULL) is None
