"""An outbox of its own for each test, and a receiver."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.server.notifications.receiver import Receiver, open_receiver


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "outbox")


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver, None]:
    async with open_receiver() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at each second is looked at more often."""
    room = "entrepot.server.notifications"
    monkeypatch.setattr(f"{room}.sending._LOOK_SECONDS", 0.05)
    monkeypatch.setattr(f"{room}.keeping._RETRY_SECONDS", 0.05)
    monkeypatch.setattr(f"{room}.posting._READ_SECONDS", 0.05)
