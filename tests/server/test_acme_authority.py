"""How authorities fail, and what an operator reads of it: in a line, and whether to try again."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from acme import errors, messages
from tests.server.acme_fakes import put, signed

from entrepot.core.configuration import Address
from entrepot.server.acme.asking import AuthorityError
from entrepot.server.acme.authority import Authority, check_given
from entrepot.server.acme.cache import Cache, new_key, pem
from entrepot.server.acme.reasons import is_refusal, reason
from entrepot.server.acme.wish import Wish

HOSTS = ("a.example.com",)
Answers = dict[str, tuple[int, bytes]]


@pytest.fixture
def answers() -> Answers:
    """What the stub answers to GETs and HEADs by path, or by its first part, else 404."""
    return {}


@pytest.fixture
def stub(answers: Answers) -> Generator[str, None, None]:
    """A server that is no authority; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            folder = f"/{self.path.split('/')[1]}/"
            status, body = answers.get(self.path) or answers.get(folder, (404, b""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - its name there

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def authority(directory: str, folder: Path) -> Authority:
    return Authority(Wish(HOSTS, "", directory, folder, Address("", 80)), Cache(folder, HOSTS))


def failure(directory: str, folder: Path) -> AuthorityError:
    with pytest.raises(AuthorityError) as raised:
        authority(directory, folder).obtain(5)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"{directory}: ")
    return raised.value


def directory(stub: str, **more: object) -> bytes:
    names = ("newNonce", "newAccount", "newOrder")
    return json.dumps({name: f"{stub}/{name}" for name in names} | more).encode()


def test_nobody_is_there(tmp_path: Path) -> None:
    error = failure("http://127.0.0.1:1/dir", tmp_path)

    assert str(error) == "http://127.0.0.1:1/dir: Connection refused"
    assert not error.is_refusal


def test_name_does_not_exist(tmp_path: Path) -> None:
    error = failure("http://authority.invalid/dir", tmp_path)

    assert not error.is_refusal


@pytest.mark.parametrize(
    ("status", "body", "told", "refuses"),
    [
        (404, b"", "it answered 404", True),
        (502, b"<html>", "it answered 502", False),
        (200, b"<html>", "it does not answer as an ACME authority does", True),
        (200, b"{}", "there is no ACME directory", True),
        (200, b"[]", "it does not answer as an ACME authority does", True),
        (503, b'{"type": "urn:ietf:params:acme:error:serverInternal"}', "serverInternal", False),
    ],
)
def test_something_else_is_there(
    status: int, body: bytes, told: str, refuses: bool, stub: str, answers: Answers, tmp_path: Path
) -> None:
    answers["/dir"] = (status, body)

    error = failure(f"{stub}/dir", tmp_path)

    assert told in str(error)
    assert error.is_refusal is refuses


def test_directory_without_nonces(stub: str, answers: Answers, tmp_path: Path) -> None:
    answers["/dir"] = (200, directory(stub))
    answers["/newNonce"] = (200, b"")

    assert not failure(f"{stub}/dir", tmp_path).is_refusal


def test_accounts_that_are_made_elsewhere_are_told_of(
    stub: str, answers: Answers, tmp_path: Path
) -> None:
    answers["/dir"] = (200, directory(stub, meta={"externalAccountRequired": True}))

    error = failure(f"{stub}/dir", tmp_path)

    assert "external account binding" in str(error)
    assert error.is_refusal


def test_authorities_that_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))

    assert "missing.pem" in str(failure("https://127.0.0.1:1/dir", tmp_path))


def test_advice_is_optional(stub: str, answers: Answers, tmp_path: Path) -> None:
    asking = authority(f"{stub}/dir", tmp_path)
    certificate = put(Cache(tmp_path, HOSTS), HOSTS)

    with pytest.raises(AuthorityError):
        asking.suggestion(certificate)
    answers["/dir"] = (200, directory(stub))
    assert asking.suggestion(certificate) is None
    answers["/dir"] = (200, directory(stub, renewalInfo=f"{stub}/info"))
    with pytest.raises(AuthorityError):
        asking.suggestion(certificate)


def test_advice_is_a_time_of_the_window(stub: str, answers: Answers, tmp_path: Path) -> None:
    answers["/dir"] = (200, directory(stub, renewalInfo=f"{stub}/info"))
    window = {"start": "2030-02-01T00:00:00Z", "end": "2030-02-03T00:00:00Z"}
    answers["/info/"] = (200, json.dumps({"suggestedWindow": window}).encode())
    certificate = put(Cache(tmp_path, HOSTS), HOSTS)

    advice = authority(f"{stub}/dir", tmp_path).suggestion(certificate)

    assert advice is not None
    assert datetime(2030, 2, 1, tzinfo=UTC) <= advice <= datetime(2030, 2, 3, tzinfo=UTC)


def test_certificate_must_be_as_wished() -> None:
    key, other = new_key(), new_key()

    check_given(pem(key) + signed([*HOSTS, "b.example.com"], key), HOSTS)
    with pytest.raises(AuthorityError, match=r"it gave a certificate for b\.example\.com only"):
        check_given(pem(key) + signed(["b.example.com"], key), HOSTS)
    with pytest.raises(AuthorityError, match="what it gave cannot be used: the key in it"):
        check_given(pem(key) + signed(HOSTS, other), HOSTS)


def problem(code: str, **more: Any) -> messages.Error:
    return messages.Error.with_code(code, **more)


def unproved() -> errors.ValidationError:
    challenge: dict[str, Any] = {
        "type": "http-01",
        "url": "https://authority.test/challenge",
        "status": "invalid",
        "token": "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI",
        "error": {
            "type": "urn:ietf:params:acme:error:connection",
            "detail": "192.0.2.1: Fetching http://a.example.com/:\nConnection refused",
        },
    }
    identifier = {"type": "dns", "value": "a.example.com"}
    body = {"identifier": identifier, "status": "invalid", "challenges": [challenge]}
    return errors.ValidationError(
        [messages.AuthorizationResource(body=messages.Authorization.from_json(body), uri="")]
    )


SUBPROBLEM = problem(
    "caa", detail="CAA forbids it", identifier=messages.Identifier(typ="dns", value="b.example.com")
)


UNPROVED = (
    "http://a.example.com does not lead to http.tls.letsencrypt.httpaddr: connection: 192.0.2.1: "
    "Fetching http://a.example.com/: Connection refused"
)


@pytest.mark.parametrize(
    ("error", "told", "refuses"),
    [
        (problem("rateLimited", detail="too many"), "rateLimited: too many", True),
        (problem("serverInternal"), "serverInternal", False),
        (problem("badNonce", detail="old"), "badNonce: old", False),
        (messages.Error.from_json({"title": "odd"}), "about:blank: odd", True),
        (
            problem("malformed", detail="see below", subproblems=(SUBPROBLEM,)),
            "malformed: see below; b.example.com: caa: CAA forbids it",
            True,
        ),
        (errors.IssuanceError(problem("caa", detail="no")), "caa: no", True),
        (
            unproved(),
            UNPROVED,
            True,
        ),
        (errors.TimeoutError(), "it took too long", False),
        (TimeoutError(), "TimeoutError", False),
        (ConnectionError("gone"), "gone", False),
        (
            errors.ClientError(),
            "it does not answer as an ACME authority does (ClientError: )",
            True,
        ),
        (KeyError("a"), "it does not answer as an ACME authority does (KeyError: 'a')", True),
    ],
)
def test_reason_is_told_in_a_line(error: Exception, told: str, refuses: bool) -> None:
    assert reason(error) == told
    assert is_refusal(error) is refuses


def test_reason_is_short() -> None:
    assert len(reason(problem("malformed", detail="long " * 1000))) == 600
