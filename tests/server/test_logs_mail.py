"""Log messages by mail: few mails, everything in them, and trouble told once."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Callable, Generator
from email.message import EmailMessage
from queue import SimpleQueue
from threading import Event
from typing import Any

import pytest

from entrepot.core.configuration.model_log import Hook, MailOptions, Smtp
from entrepot.server.logs.mail import MailHandler, Pace

SECONDS = 10.0
HOOK = Hook(
    type="mail",
    levels=("error", "panic"),
    options=MailOptions.model_validate(
        {"smtp": Smtp(addr="mail.test:25", password="hush"), "from": "a@b.test", "to": ["c@d.test"]}
    ),
)


class Postman:
    """Keeps mails; refuses them while it has `trouble`, and holds them while `busy`."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.free = Event()
        self.free.set()
        self.tried: SimpleQueue[None] = SimpleQueue()
        self.mails: SimpleQueue[EmailMessage] = SimpleQueue()

    def deliver(self, mail: EmailMessage, options: MailOptions) -> None:
        self.tried.put(None)
        assert self.free.wait(SECONDS)
        if self.trouble is not None:
            raise self.trouble
        self.mails.put(mail)

    def next(self) -> EmailMessage:
        return self.mails.get(timeout=SECONDS)


@pytest.fixture
def postman() -> Postman:
    return Postman()


@pytest.fixture
def logger() -> Generator[logging.Logger, None, None]:
    """A logger that nobody else hears."""
    logger = logging.getLogger("mailing")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    logger.handlers.clear()


@pytest.fixture
def mailing(
    postman: Postman, logger: logging.Logger
) -> Generator[Callable[..., MailHandler], None, None]:
    begun: list[MailHandler] = []

    def begin(pause: float = 0.001) -> MailHandler:
        pace = Pace(gather=0, pause=pause, longest=pause)
        handler = MailHandler(HOOK, pace, postman.deliver)
        logger.addHandler(handler)
        begun.append(handler)
        return handler

    yield begin
    postman.free.set()
    for handler in begun:
        handler.end()


Mailing = Callable[..., MailHandler]


def test_message_is_mailed_with_its_fields(
    mailing: Mailing, postman: Postman, logger: logging.Logger
) -> None:
    mailing()

    logger.error("disk %s", "full", extra={"fields": {"vars.name": "a/b"}})

    mail = postman.next()
    assert mail["Subject"].startswith("[error] ")
    assert mail["Subject"].endswith(": disk full")
    assert (mail["From"], mail["To"]) == ("a@b.test", "c@d.test")
    first, second = mail.get_content().splitlines()
    assert first.endswith("Z error disk full")
    assert second == "vars.name: a/b"
    assert "hush" not in mail.as_string()


def test_levels_not_asked_for_are_left_alone(
    mailing: Mailing, postman: Postman, logger: logging.Logger
) -> None:
    mailing()

    logger.warning("low")
    logger.info("lower")
    logger.critical("high")

    assert postman.next()["Subject"].endswith("high")


def test_storm_is_two_mails(mailing: Mailing, postman: Postman, logger: logging.Logger) -> None:
    handler = mailing(pause=SECONDS)
    postman.free.clear()

    logger.error("first")
    postman.tried.get(timeout=SECONDS)
    for number in range(250):
        logger.error("storm %d", number)
    postman.free.set()
    first = postman.next()
    handler.end()
    second = postman.next()

    assert first["Subject"].endswith(": first")
    assert second["Subject"].endswith(": storm 0 (and 249 more)")
    text = second.get_content()
    assert "storm 99" in text
    assert "storm 100" not in text
    assert text.endswith("150 further messages are left out.\n")
    assert postman.mails.empty()


def test_trouble_is_told_once_and_nothing_is_lost(
    mailing: Mailing,
    postman: Postman,
    logger: logging.Logger,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "entrepot")
    handler = mailing()
    postman.trouble = smtplib.SMTPDataError(554, b"refused: hush")

    logger.error("first")
    for _ in range(3):
        postman.tried.get(timeout=SECONDS)
    logger.error("second")
    postman.trouble = None
    subject, text = "", ""
    while "second" not in text:
        mail = postman.next()
        subject, text = subject or mail["Subject"], text + mail.get_content()
    handler.end()

    told = [record.getMessage() for record in caplog.records if record.name.endswith("mail")]
    assert told == [
        "log messages cannot be mailed by mail.test:25: SMTPDataError 554",
        "log messages are mailed again",
    ]
    assert subject.startswith("[error]")
    assert text.index("first") < text.index("second")


def test_own_trouble_is_not_mailed(mailing: Mailing, postman: Postman) -> None:
    handler = mailing()

    for name in ("entrepot.server.mail", "entrepot.server"):
        handler.handle(logging.LogRecord(name, logging.ERROR, "x", 1, name, None, None))

    assert postman.next()["Subject"].endswith(": entrepot.server")


@pytest.mark.parametrize(
    "message", ["a\r\nBcc: evil@e.test\r\n\r\nb", "x" * 5000, "\u2028\0caf\u00e9"]
)
def test_message_makes_no_header(
    mailing: Mailing, postman: Postman, logger: logging.Logger, message: str
) -> None:
    mailing()

    logger.error(message)

    mail = postman.next()
    assert mail["Bcc"] is None
    assert len(mail["Subject"]) <= 150
    assert mail["Subject"].isprintable()


def test_end_sends_what_waits(mailing: Mailing, postman: Postman, logger: logging.Logger) -> None:
    handler = mailing(pause=1000)

    logger.error("first")
    assert postman.next()
    logger.error("last words")
    handler.end()

    assert postman.mails.get_nowait()["Subject"].endswith("last words")


def test_exception_and_bad_arguments(
    mailing: Mailing, postman: Postman, logger: logging.Logger
) -> None:
    handler = mailing()
    arguments: Any = ("too few",)

    try:
        raise ValueError("cause")
    except ValueError:
        logger.exception("failed")
    first = postman.next().get_content()
    handler.handle(logging.LogRecord("x", logging.ERROR, "x", 1, "%s %s", arguments, None))

    assert "ValueError: cause" in first
    assert "cannot be written: TypeError" in postman.next().get_content()
