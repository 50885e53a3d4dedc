"""A proxy in front of a storage server that can stand in the way, as real networks do."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Literal

__all__ = ["Mode", "Obstacle", "obstacle"]

Mode = Literal["open", "gone", "silent", "busy"]
PIECE = 65_536
BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Slow down</Message></Error>"
BUSY_ANSWER = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BUSY), BUSY)
)


class Obstacle:
    """Relays connections to a server while it is `open`.

    `gone`: nobody listens, and what was connected is reset. `silent`: connections are taken and
    kept, and not a byte goes either way. `busy`: every request is answered by 503.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.partition(":")
        self._target = (host, int(port))
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._busy = False
        self._listener = self._listen(0)
        self.port = int(self._listener.getsockname()[1])

    @property
    def address(self) -> str:
        """Where the registry finds the server."""
        return f"127.0.0.1:{self.port}"

    def become(self, mode: Mode) -> None:
        """Stand in the way like this from now on."""
        self._busy = mode == "busy"
        if mode == "silent":
            self._flowing.clear()
        else:
            self._flowing.set()
        if mode == "gone":
            self._close()
        elif self._listener.fileno() < 0:
            self._listener = self._listen(self.port)

    def close(self) -> None:
        """End all that runs here."""
        self._flowing.set()
        self._close()

    def _close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=100)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection of the registry's, until either side ends it."""
        with (
            suppress(OSError),
            client,
            socket.create_connection(self._target) as server,
            self._known(client, server),
        ):
            answers = threading.Thread(target=self._answer, args=(server, client), daemon=True)
            answers.start()
            while piece := client.recv(PIECE):
                self._flowing.wait()
                if self._busy:
                    refuse(client)
                    break
                server.sendall(piece)
            shut(server)
            answers.join()

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while piece := server.recv(PIECE):
                self._flowing.wait()
                client.sendall(piece)
        shut(client)

    @contextmanager
    def _known(self, *sockets: socket.socket) -> Generator[None, None, None]:
        """While these are open, `gone` ends them."""
        with self._lock:
            self._sockets.update(sockets)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.difference_update(sockets)


def refuse(client: socket.socket) -> None:
    """Answer by 503, and take what is still sent so that the answer is not lost by a reset."""
    client.sendall(BUSY_ANSWER)
    client.shutdown(socket.SHUT_WR)
    client.settimeout(2)
    with suppress(OSError):
        while client.recv(PIECE):
            pass


def shut(connection: socket.socket) -> None:
    """End both directions of a connection that may have ended already."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def obstacle(target: str) -> Generator[Obstacle, None, None]:
    """Something in front of a server, for the time of the block."""
    standing = Obstacle(target)
    try:
        yield standing
    finally:
        standing.close()
