"""Blocking operations on single objects of one pool; each is atomic and bounded in time.

Failures are `OSError` with RADOS' own numbers: FileNotFoundError for an object that is not
there, FileExistsError for one that is, `is_changed` for a comparison that did not hold.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from entrepot_rados.binding import Binding, Ioctx, WriteOp

# Without it librados waits for as long as a pool is full.
_FULL_TRY = 64  # LIBRADOS_OPERATION_FULL_TRY


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to one object, all of it or nothing."""

    create: bool = False  # it must not be there
    expected: Mapping[str, str] = field(default_factory=dict[str, str])  # in its omap
    content: bytes | None = None  # in place of what it holds
    added: bytes = b""  # at `offset`
    offset: int = 0
    puts: Mapping[str, str] = field(default_factory=dict[str, str])  # into its omap
    drops: Sequence[str] = ()  # out of its omap
    remove: bool = False


class Objects:
    """The pool, in the operations that everything else is made of. Thread-safe."""

    def __init__(self, binding: Binding, ioctx: Ioctx) -> None:
        self._binding = binding
        self._ioctx = ioctx

    def read(self, name: str, length: int, offset: int = 0) -> bytes:
        """So many bytes, or what there is of them."""
        with self._told():
            return self._ioctx.read(name, length, offset)

    def size(self, name: str) -> int:
        with self._told():
            return self._ioctx.stat(name)[0]

    def change(self, name: str, change: Change) -> None:
        with self._told(), self._binding.WriteOpCtx() as operation:
            self._fill(operation, change)
            self._ioctx.operate_write_op(operation, name, flags=_FULL_TRY)

    def _fill(self, operation: WriteOp, change: Change) -> None:
        if change.create:
            operation.new(self._binding.LIBRADOS_CREATE_EXCLUSIVE)
        for key, value in change.expected.items():
            operation.omap_cmp(key, value)
        if change.content is not None:
            operation.write_full(change.content)
        if change.added:
            operation.write(change.added, change.offset)
        if change.puts:
            values = [value.encode() for value in change.puts.values()]
            self._ioctx.set_omap(operation, tuple(change.puts), tuple(values))
        if change.drops:
            self._ioctx.remove_omap_keys(operation, tuple(change.drops))
        if change.remove:
            operation.remove()

    def make(self, name: str, omap: Mapping[str, str]) -> None:
        """An object with an omap, unless there is one of that name."""
        try:
            self.change(name, Change(create=True, puts=omap))
        except FileExistsError:
            return

    def discard(self, name: str) -> bool:
        """Remove an object; whether there was one."""
        try:
            self.change(name, Change(remove=True))
        except FileNotFoundError:
            return False
        return True

    def page(self, name: str, after: str, prefix: str, most: int) -> list[tuple[str, str]]:
        """Keys past `after` that begin so, with their values; fewer than `most` say nothing.

        Only an empty page is the last one: how many a cluster gives at once is its own affair.
        """
        with self._told(), self._binding.ReadOpCtx() as operation:
            found, _ = self._ioctx.get_omap_vals(operation, after, prefix, most)
            self._ioctx.operate_read_op(operation, name)
            return [(key, (value or b"").decode()) for key, value in found]

    def values(self, name: str, keys: Sequence[str]) -> dict[str, str]:
        """The values of those of the keys that are there."""
        with self._told(), self._binding.ReadOpCtx() as operation:
            found, _ = self._ioctx.get_omap_vals_by_keys(operation, tuple(keys))
            self._ioctx.operate_read_op(operation, name)
            return {key: (value or b"").decode() for key, value in found}

    def omap(self, name: str) -> dict[str, str]:
        """All of a small omap."""
        found = dict[str, str]()
        after = ""
        while page := self.page(name, after, "", 1000):
            found |= page
            after = page[-1][0]
        return found

    def names(self) -> Iterator[str]:
        """All objects, in no order."""
        with self._told():
            for each in self._ioctx.list_objects():
                yield each.key

    @contextmanager
    def _told(self) -> Generator[None]:
        with telling(self._binding):
            yield


@contextmanager
def telling(binding: Binding) -> Generator[None]:
    """Errors of the binding as `OSError`."""
    try:
        yield
    except binding.Error as error:
        number = getattr(error, "errno", None)
        number = abs(number) if isinstance(number, int) and number else errno.EIO
        raise OSError(number, f"{os.strerror(number)} ({error})") from error


def is_changed(error: OSError) -> bool:
    """Whether somebody else changed an object first, or removed it."""
    return error.errno in (errno.ECANCELED, errno.ENOENT)


def is_refusal(error: OSError) -> bool:
    """Whether a failed change certainly did not happen."""
    return error.errno not in (errno.ETIMEDOUT, errno.EIO, errno.ESHUTDOWN, errno.ENOTCONN)
