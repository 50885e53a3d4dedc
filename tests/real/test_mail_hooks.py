"""`log.hooks`: messages of a served registry at a mail server."""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import httpx2
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from tests.drivers.certificates import server_tls
from tests.real.servers import Server, StartEntrepot, free_port

from entrepot.core.configuration.model_log import MailOptions, Smtp
from entrepot.server.logs import smtp

SECONDS = 30.0
PASSWORD = "hush-hush"


@dataclass
class Mailbox:
    """A mail server on loopback, and what it took."""

    mails: SimpleQueue[EmailMessage] = field(default_factory=SimpleQueue[EmailMessage])
    logins: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    encrypted: list[bool] = field(default_factory=list[bool])
    port: int = 0

    async def handle_DATA(self, _: Any, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content
        assert content is not None
        self.encrypted.append(session.ssl is not None)
        self.mails.put(message_from_bytes(content, policy=policy.default))
        return "250 OK"

    def authenticate(self, *given: Any) -> AuthResult:
        credentials: LoginPassword = given[-1]
        self.logins.append((credentials.login, credentials.password))
        return AuthResult(success=credentials.password == PASSWORD.encode())

    def next(self) -> EmailMessage:
        return self.mails.get(timeout=SECONDS)

    def rest(self) -> list[EmailMessage]:
        found: list[EmailMessage] = []
        while True:
            try:
                found.append(self.mails.get_nowait())
            except Empty:
                return found


Opened = Callable[..., Mailbox]


@pytest.fixture
def opened() -> Generator[Opened, None, None]:
    """Opens mail servers."""
    running: list[Controller] = []

    def opening(tls: ssl.SSLContext | None = None) -> Mailbox:
        box = Mailbox(port=free_port())
        controller = Controller(
            box,
            hostname="127.0.0.1",
            port=box.port,
            tls_context=tls,
            require_starttls=tls is not None,
            authenticator=box.authenticate,
            auth_require_tls=tls is not None,
        )
        controller.start()
        running.append(controller)
        return box

    yield opening
    for controller in running:
        controller.stop()


def hook(port: int, **more: object) -> dict[str, object]:
    options = {
        "smtp": {"addr": f"127.0.0.1:{port}", **more},
        "from": "a@b.test",
        "to": ["c@d.test"],
    }
    return {"log": {"hooks": [{"type": "mail", "levels": ["warning"], "options": options}]}}


def complain(server: Server, times: int = 1) -> None:
    """Have the registry warn of a damaged link."""
    tag = server.root / "docker/registry/v2/repositories/a/_manifests/tags/x/current"
    tag.mkdir(parents=True, exist_ok=True)
    (tag / "link").touch()
    with httpx2.Client() as client:
        for _ in range(times):
            answer = client.get(f"{server.url}/v2/a/manifests/x", timeout=SECONDS)
            assert answer.status_code == 404


def test_mail_is_encrypted_and_says_what_and_where(
    opened: Opened, entrepot_server: StartEntrepot, tmp_path: Path
) -> None:
    box = opened(server_tls(tmp_path))
    config = hook(box.port, username="me", password=PASSWORD)
    server = entrepot_server(config, env={"SSL_CERT_FILE": str(tmp_path / "both.pem")})

    complain(server)

    mail = box.next()
    assert mail["Subject"].startswith(f"[warning] {socket.gethostname()}: damaged link ")
    assert (mail["From"], mail["To"]) == ("a@b.test", "c@d.test")
    text = mail.get_content()
    assert "http.request.id: " in text
    assert box.encrypted == [True]
    assert box.logins == [(b"me", PASSWORD.encode())]
    assert PASSWORD not in mail.as_string() + server.log.read_text()


def test_server_nobody_vouches_for_gets_no_password(
    opened: Opened, entrepot_server: StartEntrepot, tmp_path: Path
) -> None:
    box = opened(server_tls(tmp_path))
    server = entrepot_server(hook(box.port, username="me", password=PASSWORD))

    complain(server)
    until(lambda: "cannot be mailed" in server.log.read_text())

    assert "CERTIFICATE_VERIFY_FAILED" in server.log.read_text()
    assert box.logins == []


def test_insecure_sends_as_it_is(opened: Opened, entrepot_server: StartEntrepot) -> None:
    box = opened()
    server = entrepot_server(hook(box.port, username="me", password=PASSWORD, insecure=True))

    complain(server)

    assert box.next()["Subject"]
    assert box.encrypted == [False]


def test_storm_is_few_mails(opened: Opened, entrepot_server: StartEntrepot) -> None:
    box = opened()
    server = entrepot_server(hook(box.port))

    complain(server)
    mails = [box.next()]
    began = time.monotonic()
    complain(server, 300)
    server.stop()

    mails += box.rest()
    assert len(mails) <= 2 + (time.monotonic() - began) / 10
    text = "".join(mail.get_content() for mail in mails)
    told = text.count("warning damaged link")
    left_out = [int(line.split()[0]) for line in text.splitlines() if "left out" in line]
    assert told + sum(left_out) == 301


@pytest.mark.parametrize("listens", [False, True], ids=["nobody there", "never answers"])
def test_registry_needs_no_mail_server(entrepot_server: StartEntrepot, *, listens: bool) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen()
        server = entrepot_server(hook(silent.getsockname()[1]))
        began = time.monotonic()
        complain(server, 20)
        assert time.monotonic() - began < 10  # each would wait as long for a mail server
        if not listens:
            until(lambda: "cannot be mailed" in server.log.read_text())
        server.stop()

    assert server.process is not None
    assert server.process.returncode == 0
    assert server.log.read_text().count("cannot be mailed") == (0 if listens else 1)


def test_password_is_not_sent_in_the_clear_to_another_machine(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = opened()
    monkeypatch.setattr(smtp, "_is_here", elsewhere)
    server = Smtp(addr=f"127.0.0.1:{box.port}", username="me", password=PASSWORD)

    with pytest.raises(smtplib.SMTPException, match="offers no encryption"):
        smtp.deliver(EmailMessage(), MailOptions(smtp=server))

    assert box.logins == []


def elsewhere(_: str) -> bool:
    """As if loopback were another machine."""
    return False


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)
