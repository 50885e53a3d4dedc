"""A receiver of events in a process of its own, which can be killed: `webhook.py PORT FILE`.

It appends what it gets to a file before it answers, one JSON line for each event.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypedDict, cast

import pytest
from tests.real.servers import free_port

__all__ = ["Taken", "Webhook"]


class Taken(TypedDict):
    """An event, the request that it came in, and how many requests were there at that time."""

    path: str
    headers: dict[str, str]
    body: str
    event: dict[str, Any]
    at_once: int


@dataclass(slots=True)
class Webhook:
    """The receiver, seen from a test. Its file stays when its process is killed."""

    file: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    read: int = 0  # bytes of the file
    found: list[Taken] = field(default_factory=list[Taken])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Webhook":
        """Start, and wait until it listens."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.real.webhook", str(self.port), str(self.file)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"listening\n"
        return self

    def kill(self) -> None:
        """End it with no chance to tidy up."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def taken(self, path: str | None = None) -> list[Taken]:
        """The events so far; a line that a kill tore is left out."""
        if self.file.exists():
            with self.file.open("rb") as file:
                file.seek(self.read)
                lines = file.read()
            lines = lines[: lines.rfind(b"\n") + 1]
            self.read += len(lines)
            self.found += [one for line in lines.splitlines() if (one := _parsed(line))]
        return [one for one in self.found if path is None or one["path"] == path]

    def tags(self, path: str | None = None) -> list[str]:
        """The tags of the events, each at the place where it came first."""
        tags = [one["event"]["target"].get("tag", "") for one in self.taken(path)]
        return [tag for tag in dict.fromkeys(tags) if tag]

    def until(self, wanted: int, path: str | None = None, seconds: float = 90) -> None:
        """Wait until events of so many tags came; fails the test if they do not."""
        self._wait(lambda: len(self.tags(path)), wanted, seconds)

    def happened(self, path: str) -> list[tuple[str, str]]:
        """What the events of tags say, each event at the place where it came first."""
        events: dict[str, dict[str, Any]] = {}
        for one in self.taken(path):
            events.setdefault(one["event"]["id"], one["event"])
        told = [(one["action"], one["target"].get("tag", "")) for one in events.values()]
        return [one for one in told if one[1]]

    def until_happened(self, wanted: int, path: str, seconds: float = 90) -> None:
        """Wait until so many events of tags came; fails the test if they do not."""
        self._wait(lambda: len(self.happened(path)), wanted, seconds)

    def _wait(self, count: Callable[[], int], wanted: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (came := count()) < wanted:
            if time.monotonic() > deadline:
                pytest.fail(f"{came} of {wanted} events came in {seconds:g} s")
            time.sleep(0.05)


def _parsed(line: bytes) -> Taken | None:
    try:
        return cast("Taken", json.loads(line))
    except ValueError:
        return None


def make_webhook(folder: Path) -> Webhook:
    """One that was not started yet."""
    return Webhook(folder / "taken.jsonl", free_port())


def main(port: int, path: str) -> None:
    lock = threading.Lock()
    at_once = 0
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal at_once
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            with lock:
                at_once += 1
                for event in json.loads(body)["events"]:
                    taken = Taken(
                        path=self.path,
                        headers={name.lower(): value for name, value in self.headers.items()},
                        body=body,
                        event=event,
                        at_once=at_once,
                    )
                    os.write(file, json.dumps(taken).encode() + b"\n")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            with lock:
                at_once -= 1
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print("listening", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
