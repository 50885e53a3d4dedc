"""Who is heard in the log, at which level."""

from __future__ import annotations

import logging
from collections.abc import Generator

import pytest

from entrepot.core.configuration import load
from entrepot.server.logs import set_up_logging

LOUD = ("", "entrepot", "_granian")


@pytest.fixture
def levels() -> Generator[None, None, None]:
    """Puts back what `set_up_logging` changes of the process."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    before = {name: logging.getLogger(name).level for name in LOUD}
    yield
    root.handlers[:] = handlers
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("levels")
@pytest.mark.parametrize(
    ("level", "ours", "libraries"),
    [
        ("debug", logging.DEBUG, logging.DEBUG),
        ("info", logging.INFO, logging.WARNING),
        ("warn", logging.WARNING, logging.WARNING),
        ("error", logging.ERROR, logging.ERROR),
    ],
)
def test_libraries_are_heard_from_warning_on(level: str, ours: int, libraries: int) -> None:
    set_up_logging(load(None, {"REGISTRY_LOG_LEVEL": level}).configuration)

    assert logging.getLogger("entrepot.core.links").getEffectiveLevel() == ours
    assert logging.getLogger("asyncssh.sftp").getEffectiveLevel() == libraries
