"""The claim to ask an authority: one process at a time has it, of all that share a cache."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

_NAME = "acme+claim"
BEAT = 10.0
"""Seconds between two signs of life of the process that has the claim."""
EXPIRY = 9 * BEAT
"""Seconds without one, after which another process takes it; NFS shows them up to 60 s late."""


class Claim:
    """A file that is created exclusively and touched while its process lives."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._own = f"{os.getpid()} {secrets.token_hex(8)}\n".encode()

    def take(self) -> bool:
        """Whether this process has it from now on. Raises OSError."""
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return False
        with open(descriptor, "wb") as file:
            file.write(self._own)
        return True

    def sign(self) -> int | None:
        """What changes while the process that has it lives; None: nobody has it."""
        try:
            return os.stat(self._path).st_mtime_ns
        except FileNotFoundError:
            return None

    def break_off(self, sign: int) -> None:
        """Take away the claim of a process that died, whose last sign of life was this one."""
        aside = self._path.with_name(f"{_NAME}.{secrets.token_hex(8)}")
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._path, aside)
            if os.stat(aside).st_mtime_ns != sign:  # somebody else was faster, and this is theirs
                with contextlib.suppress(FileExistsError):
                    os.link(aside, self._path)
            os.unlink(aside)

    def release(self) -> None:
        """Let go of it, if this process has it."""
        with contextlib.suppress(OSError):
            if self._path.read_bytes() == self._own:
                self._path.unlink()

    @contextmanager
    def alive(self) -> Generator[None, None, None]:
        """Give signs of life until the context is left, and let go of the claim then."""
        ended = Event()

        def beat() -> None:
            while not ended.wait(BEAT):
                with contextlib.suppress(OSError):
                    os.utime(self._path)

        beating = Thread(target=beat, name="acme claim", daemon=True)
        beating.start()
        try:
            yield
        finally:
            ended.set()
            self.release()
