"""A TCP proxy that cuts one answer in the middle, as a broken line does."""

import re
import socket
import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

__all__ = ["CuttingProxy", "cutting_proxy"]

PIECE = 65_536


class CuttingProxy(socketserver.ThreadingTCPServer):
    """Relays loopback connections; the first answer past `limit` bytes is cut there."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, target: str, limit: int) -> None:
        super().__init__(("127.0.0.1", 0), Relay)
        host, _, port = target.partition(":")
        self.target = (host, int(port))
        self.limit = limit
        self.cuts = 0
        self.ranges: list[str] = []
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.server_address[1]}"

    def cut(self, sent: int) -> bool:
        """Whether a connection that has had so many bytes is to be cut now."""
        with self._lock:
            due = sent > self.limit and not self.cuts
            self.cuts += due
        return due


class Relay(socketserver.BaseRequestHandler):
    """One connection."""

    request: socket.socket

    @property
    def proxy(self) -> CuttingProxy:
        """The server this connection came to."""
        assert isinstance(self.server, CuttingProxy)
        return self.server

    def handle(self) -> None:
        """Relay until either side is done, or the answer is cut."""
        with suppress(OSError), socket.create_connection(self.proxy.target) as upstream:
            sender = threading.Thread(target=self.send_requests, args=(upstream,), daemon=True)
            sender.start()
            sent = 0
            while piece := upstream.recv(PIECE):
                self.request.sendall(piece)
                sent += len(piece)
                if self.proxy.cut(sent):
                    break
            shut(self.request)
            sender.join(10)

    def send_requests(self, upstream: socket.socket) -> None:
        """Relay what the client sends, keeping the ranges it asks for."""
        with suppress(OSError):
            while piece := self.request.recv(PIECE):
                found = re.findall(rb"\r\nRange: *(\S+)", piece, re.IGNORECASE)
                self.proxy.ranges += [each.decode() for each in found]
                upstream.sendall(piece)
        shut(upstream)


def shut(connection: socket.socket) -> None:
    """End both directions of a connection that may have ended already."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting_proxy(target: str, limit: int) -> Generator[CuttingProxy, None, None]:
    """A proxy to a server, for the time of the block."""
    with CuttingProxy(target, limit) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
