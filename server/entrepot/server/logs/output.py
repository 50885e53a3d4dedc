"""Lines on their way out: written by a thread, so that a reader who stopped stops nobody."""

from __future__ import annotations

import atexit
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence

_ATOMIC = getattr(select, "PIPE_BUF", 512)  # bytes
_BOUND = 4 * 1024 * 1024  # bytes that wait for their reader
_PAUSE = 0.01  # seconds in which lines gather for the next write
_LAST_WORDS = 1.0  # seconds that a reader has for what waits at the end of the process


class Output:
    """A file descriptor that lines are written to, in their order, without waiting for it.

    At most `bound` bytes wait. What comes while they do is dropped; `told` gets a sentence when
    that begins, and one with the number when lines get through again. `dropped` counts all.
    """

    def __init__(
        self, descriptor: int, told: Callable[[str], None], *, bound: int = _BOUND
    ) -> None:
        self.dropped = 0
        self._told = told
        self._descriptor = descriptor
        self._bound = bound
        self._untold = 0
        self._lines: list[bytes] = []
        self._waiting = 0  # bytes, those that are being written included
        self._lock = threading.RLock()  # the garbage collector may log anywhere
        self._wanted = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.flush)

    @property
    def is_alive(self) -> bool:
        """Whether somebody still writes what is put here."""
        return self._thread.is_alive()

    def put(self, line: str) -> None:
        """Have a line written, its newline included."""
        content = line.encode("utf-8", "backslashreplace")
        with self._lock:
            if self._waiting + len(content) <= self._bound:
                self._lines.append(content)
                self._waiting += len(content)
                if not self._wanted.is_set():
                    self._idle.clear()
                    self._wanted.set()
                return
            is_first = self._drop(1)
        if is_first:
            self._told("lines are dropped: nobody reads them fast enough")

    def flush(self, seconds: float = _LAST_WORDS) -> bool:
        """Wait until all is written, or for that long; whether it is."""
        return self._idle.wait(seconds)

    def close(self) -> None:
        """Write what waits, unless nobody reads it, and end; nothing is to come any more."""
        self._closing = True
        self._wanted.set()
        self._thread.join(_LAST_WORDS)
        atexit.unregister(self.flush)

    def _work(self) -> None:
        while not self._closing:
            self._wanted.wait()
            self._write_all()
            if not self._closing:
                time.sleep(_PAUSE)

    def _write_all(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            self._wanted.clear()
        is_written = self._write(lines)
        with self._lock:
            self._waiting -= sum(map(len, lines))
            is_first = not is_written and self._drop(len(lines))
            lost = self._untold if is_written else 0
            self._untold -= lost
            if not self._lines:
                self._idle.set()
        if is_first:
            self._told("lines are dropped: they cannot be written")
        if lost:
            self._told(f"{lost} lines were dropped")

    def _drop(self, count: int) -> bool:
        """Whether these are the first that are dropped in a row."""
        is_first = self._untold == 0
        self.dropped += count
        self._untold += count
        return is_first

    def _write(self, lines: Sequence[bytes]) -> bool:
        """False if there is nobody to read, or no space."""
        try:
            for piece in _pieces(lines):
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            return False
        return True


def _pieces(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Whole lines, as many as a pipe takes at once without mixing in those of other processes.

    Source: POSIX, `write`, on PIPE_BUF. A line that is longer is on its own.
    """
    piece, size = list[bytes](), 0
    for line in lines:
        if piece and size + len(line) > _ATOMIC:
            yield b"".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    if piece:
        yield b"".join(piece)


class OutputHandler(logging.Handler):
    """Writes records to an output; they are put into their form where they come from.

    Closing it does not close the output: a server that sets up its own logging closes all
    handlers there are, and goes on using them.
    """

    def __init__(self, output: Output) -> None:
        super().__init__()
        self.output = output

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # what cannot be shown is no reason to fail a request
            record.msg = f"a message that cannot be written: {type(error).__name__}"
            record.args, record.exc_info = (), None
            line = self.format(record)
        self.output.put(line)

    def flush(self) -> None:
        self.output.flush()
