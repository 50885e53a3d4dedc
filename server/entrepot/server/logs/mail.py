"""Log messages by mail: few mails, however many messages, and nobody waits for them."""

from __future__ import annotations

import atexit
import logging
import smtplib
import socket
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from entrepot.core.configuration.model_log import Hook, MailOptions
from entrepot.server.logs.forms import fields_of, moment
from entrepot.server.logs.smtp import deliver

_LOG = logging.getLogger("entrepot.server.mail")
_MOST = 100  # messages in one mail; further ones are counted
_LONGEST = 4096  # characters of one message or field in a mail
_SUBJECT = 150  # characters
_LAST_WORDS = 3.0  # seconds for the last mail at the end of the process
_LEVELS = {
    "panic": logging.CRITICAL,
    "fatal": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How mails follow each other, in seconds.

    A mail waits `gather` for more messages; the next one goes `pause` later at the earliest,
    and after a failure twice as long again and again, up to `longest`.
    """

    gather: float = 0.5
    pause: float = 10.0
    longest: float = 300.0


@dataclass(slots=True)
class _Waiting:
    texts: list[str] = field(default_factory=list[str])
    subject: str = ""
    left_out: int = 0


class MailHandler(logging.Handler):
    """Mails the records of some levels, at most one mail in `pace.pause` seconds.

    Messages that come meanwhile share the next mail. While the server takes none, that is
    logged once; the messages are kept and tried again.
    """

    def __init__(
        self,
        hook: Hook,
        pace: Pace | None = None,
        deliver: Callable[[EmailMessage, MailOptions], None] = deliver,
    ) -> None:
        super().__init__()
        self._levels = {_LEVELS[level] for level in hook.levels if level in _LEVELS}
        self._options = hook.options
        self._pace = pace or Pace()
        self._deliver = deliver
        self._host = socket.gethostname()
        self._waiting = _Waiting()
        self._failing = False
        self._lock = threading.RLock()
        self._wanted = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mail", daemon=True)
        self._thread.start()
        atexit.register(self.end)

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno not in self._levels or record.name == _LOG.name:
            return
        with self._lock:
            waiting = self._waiting
            if len(waiting.texts) >= _MOST:
                waiting.left_out += 1
                return
            waiting.subject = waiting.subject or self._subject(record)
            waiting.texts.append(_text(record))
        self._wanted.set()

    def end(self) -> None:
        """Send what waits, unless that takes too long, and send nothing afterwards."""
        self._ending.set()
        self._wanted.set()
        self._thread.join(_LAST_WORDS)
        atexit.unregister(self.end)

    def _subject(self, record: logging.LogRecord) -> str:
        subject = f"[{record.levelname.lower()}] {self._host}: {_message(record)}"
        return "".join(c if c.isprintable() else " " for c in subject[:_SUBJECT])

    def _work(self) -> None:
        pause = self._pace.pause
        while not self._ending.is_set():
            self._wanted.wait()
            self._ending.wait(self._pace.gather)
            pause = self._pace.pause if self._send() else min(2 * pause, self._pace.longest)
            self._ending.wait(pause)
        self._send()

    def _send(self) -> bool:
        with self._lock:
            waiting, self._waiting = self._waiting, _Waiting()
            self._wanted.clear()
        if not waiting.texts:
            return True
        try:
            self._deliver(self._mail(waiting), self._options)
        except Exception as error:  # whatever a mail server says, the registry goes on
            self._keep(waiting)
            self._tell(error)
            return False
        self._tell(None)
        return True

    def _mail(self, waiting: _Waiting) -> EmailMessage:
        mail = EmailMessage()
        more = len(waiting.texts) + waiting.left_out - 1
        mail["Subject"] = waiting.subject + (f" (and {more} more)" if more else "")
        mail["From"] = self._options.from_
        mail["To"] = ", ".join(self._options.to)
        mail["Date"] = formatdate()
        mail["Message-ID"] = make_msgid(domain="entrepot.invalid")
        mail["Auto-Submitted"] = "auto-generated"
        texts = list(waiting.texts)
        if waiting.left_out:
            texts.append(f"{waiting.left_out} further messages are left out.")
        mail.set_content("\n\n".join(texts) + "\n")
        return mail

    def _keep(self, waiting: _Waiting) -> None:
        """Put back what could not be sent, before what has come since."""
        with self._lock:
            newer, self._waiting = self._waiting, waiting
            texts = waiting.texts + newer.texts
            waiting.left_out += newer.left_out + max(0, len(texts) - _MOST)
            waiting.texts = texts[:_MOST]
            self._wanted.set()

    def _tell(self, error: Exception | None) -> None:
        """Log the first of several failures in a row, and the end of them."""
        if error is not None and not self._failing:
            addr = self._options.smtp.addr
            _LOG.warning("log messages cannot be mailed by %s: %s", addr, _reason(error))
        elif error is None and self._failing:
            _LOG.info("log messages are mailed again")
        self._failing = error is not None


def _text(record: logging.LogRecord) -> str:
    """A message and its fields, one a line."""
    lines = [f"{moment(record.created)} {record.levelname.lower()} {_message(record)}"]
    lines += [f"{key}: {value}" for key, value in fields_of(record).items()]
    if record.exc_info and record.exc_info[1] is not None:
        lines.append("".join(traceback.format_exception(record.exc_info[1])))
    return "\n".join([line[:_LONGEST] for line in lines])


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:
        return f"a message that cannot be written: {type(error).__name__}"


def _reason(error: Exception) -> str:
    """What went wrong; never what was sent, as a server's answer may repeat it."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__} {error.smtp_code}"
    return str(error) or type(error).__name__
