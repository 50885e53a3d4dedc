"""Where our server listens, as operators meet it: workers, signals, renewal under load."""

import contextlib
import hashlib
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx2
import pytest
from tests.real.registry import hexadecimal
from tests.real.servers import Server, StartEntrepot
from tests.tools.authority import Authority

MIB = 1024 * 1024
SECONDS = 60.0


def children(server: Server) -> list[int]:
    """The processes that a server started."""
    listed = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return [int(one) for one in listed.split()]


def ready(server: Server) -> Server:
    """The same server, all of whose workers serve."""
    wait_until(lambda: "listening on" in server.log_tail(), "it does not listen")
    return server


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Look until something holds; fails the test when it does not for too long."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@dataclass
class Load:
    """Clients that push and pull until told to stop, each with a connection that it keeps."""

    server: Server
    context: ssl.SSLContext | None = None
    done: int = 0
    failures: list[str] = field(default_factory=list[str])
    stopped: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self, clients: int) -> Generator["Load", None, None]:
        threads = [threading.Thread(target=self._work, args=(n,)) for n in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.stopped.set()
            for thread in threads:
                thread.join()

    def more(self, requests: int) -> None:
        """Return when so many more requests were answered."""
        wanted = self.done + requests
        wait_until(lambda: self.done >= wanted or bool(self.failures), "no requests are answered")

    def _work(self, number: int) -> None:
        verify = self.context if self.context is not None else True
        with httpx2.Client(base_url=self.server.url, verify=verify, timeout=60) as client:
            while not self.stopped.is_set():
                try:
                    self._push_and_pull(client, number)
                except Exception as error:
                    self.failures.append(repr(error))

    def _push_and_pull(self, client: httpx2.Client, number: int) -> None:
        content = os.urandom(50_000)
        digest = hexadecimal(content)
        path = f"/v2/load/{number}/blobs"
        pushed = client.post(f"{path}/uploads/?digest={digest}", content=content)
        assert pushed.status_code == 201, pushed.text
        pulled = client.get(f"{path}/{digest}")
        assert pulled.content == content, pulled.text
        self.done += 2


@dataclass(frozen=True, slots=True)
class Secure:
    """Our server behind TLS, and who signs its certificates."""

    server: Server
    authority: Authority
    folder: Path

    def shows(self, fingerprint: bytes) -> bool:
        """Whether a new connection sees this certificate."""
        return self.shown() == fingerprint

    def shown(self) -> bytes:
        """The fingerprint of the certificate that a new connection sees."""
        host, port = self.server.address.split(":")
        with (
            socket.create_connection((host, int(port)), timeout=30) as plain,
            self.authority.context().wrap_socket(plain, server_hostname=host) as connection,
        ):
            certificate = connection.getpeercert(binary_form=True)
            assert certificate is not None
            return hashlib.sha256(certificate).digest()


@pytest.fixture
def secure(
    request: pytest.FixtureRequest, entrepot_server: StartEntrepot, tmp_path: Path
) -> Secure:
    """With the section `http` of the parameter besides."""
    authority = Authority()
    certificate, key = authority.sign().write(tmp_path, "server")
    authority.write(tmp_path / "ca.crt")
    asked = getattr(request, "param", {})
    tls = {"certificate": str(certificate), "key": str(key)} | asked.get("tls", {})
    if "clientauth" in tls:
        tls["clientcas"] = [str(tmp_path / "ca.crt")]
    server = entrepot_server({"http": asked | {"tls": tls}})
    return Secure(ready(server), authority, tmp_path)


KINDS = {
    "one": {},
    "workers": {"workers": 2},
    "openssl": {"tls": {"clientauth": "verify-client-cert-if-given"}},
}


@pytest.mark.parametrize("secure", KINDS.values(), ids=KINDS, indirect=True)
def test_certificate_is_replaced_under_load(secure: Secure) -> None:
    with Load(secure.server, secure.authority.context()).running(4) as load:
        for number in range(5):
            pair = secure.authority.sign(f"registry {number}")
            pair.write(secure.folder, "server")
            os.kill(secure.server.pid, signal.SIGHUP)
            wait_until(partial(secure.shows, pair.fingerprint), "the old one stays")
            load.more(40)

    assert load.failures == []
    log = secure.server.log_tail(10**9)
    assert log.count("certificate renewed: CN=registry") == 5
    assert "Traceback" not in log


def test_unusable_certificate_leaves_the_old_one(secure: Secure) -> None:
    before = secure.shown()
    (secure.folder / "server.key").write_bytes(b"nonsense")
    os.kill(secure.server.pid, signal.SIGHUP)

    wait_until(lambda: "the old certificate stays" in secure.server.log_tail(), "nothing is said")

    assert secure.shown() == before


def test_workers_killed_in_the_middle_of_pushes(entrepot_server: StartEntrepot) -> None:
    server = ready(entrepot_server({"http": {"workers": 2}}))
    first = set(children(server))
    with Load(server).running(4) as load:
        for pid in children(server):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: len(children(server)) == 2, "no worker in the place of the dead")
    assert len(first) == 2
    assert not first & set(children(server))

    with Load(server).running(4) as load:  # what was broken off was all that went wrong
        load.more(40)
    assert load.failures == []
    assert server.log_tail(10**9).count("was ended by SIGKILL; another one is started in 0 s") == 2
