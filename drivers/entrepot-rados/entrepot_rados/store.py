"""Objects under keys: what a write and a deletion are made of. Blocking, and thread-safe.

The order makes every interruption harmless: the record of chunks, the chunks, the entry in the
index, the head, which is the moment of truth; then the entry is confirmed and what was replaced
goes, its head first.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from entrepot.core import Entry
from entrepot_rados import places
from entrepot_rados.generations import Generations
from entrepot_rados.head import HEADER, INLINE, Head, decoded
from entrepot_rados.index import Index
from entrepot_rados.objects import Change, Objects, is_changed, is_refusal

_LOG = logging.getLogger(__name__)
_ID = "id"
_TRIES = 1000  # each lost one is another's success
_LATE = 2  # deletions without an answer, behind which no more are tried
_MOST = 64 * INLINE  # bytes of a list of chunks


class Store:
    def __init__(self, objects: Objects, index: Index) -> None:
        self.objects = objects
        self.index = index
        self.generations = Generations(objects)

    def head(self, key: str) -> Head:
        """Without its body. Raises FileNotFoundError: if there is none."""
        return decoded(self.objects.read(places.head(key), HEADER))

    def stat(self, key: str) -> Head:
        """Like `head`, but surely absent is what is not there."""
        with self._sure():
            return self.head(key)

    def find(self, key: str) -> Head | None:
        try:
            return self.head(key)
        except FileNotFoundError:
            return None

    def load(self, key: str) -> Head:
        """With its body, as of one moment. Raises FileNotFoundError: if there surely is none."""
        with self._sure():
            raw = self.objects.read(places.head(key), HEADER + INLINE)
            if len(raw) == HEADER + INLINE:
                raw = self.objects.read(places.head(key), HEADER + _MOST)
        return decoded(raw)

    @contextmanager
    def _sure(self) -> Generator[None]:
        """In a pool that was removed, everything is absent, and is not lost for all that."""
        try:
            yield
        except FileNotFoundError:
            try:
                self.objects.size(places.LAYOUT)
            except FileNotFoundError as error:
                raise OSError(errno.EBADMSG, "the pool is gone, or what it was") from error
            raise

    # -- writing ------------------------------------------------------------------------

    def put(self, key: str, head: Head, *, create: bool = False) -> Entry:
        """Make a head the object of a key, in place of what is there.

        Raises FileExistsError: with `create`, if there is one; OSError: in doubt whether it came
        to be, `is_refusal` tells.
        """
        lost = ""
        for _ in range(_TRIES):
            old = None if create else self.find(key)
            replaced = old.id if old is not None else ""
            value = self.index.begin(key, head.id, replaced=replaced, drop=lost)
            try:
                self._place(key, head, replaced)
            except OSError as error:
                if not create and (is_changed(error) or isinstance(error, FileExistsError)):
                    lost = replaced
                    continue
                if is_refusal(error):
                    self._drop(key, head.id)
                raise
            self._confirm(key, head, value, replaced)
            self._forget(old, head)
            return Entry(key, head.size, head.modified)
        raise OSError(errno.EBUSY, "others replace the object all the time")

    def _place(self, key: str, head: Head, replaced: str) -> None:
        expected = {_ID: replaced} if replaced else {}
        change = Change(
            create=not replaced, expected=expected, content=head.encoded(), puts={_ID: head.id}
        )
        self.objects.change(places.head(key), change)

    def _confirm(self, key: str, head: Head, value: str, replaced: str) -> None:
        """Pending, an entry costs listings a look, no more: a failure is none of the write."""
        with _left("an entry of the index is not confirmed"):
            self.index.confirm(key, head, value, replaced=replaced)

    def _forget(self, old: Head | None, head: Head) -> None:
        if old is not None and old.generation and old.generation != head.generation:
            with _left("chunks of a replaced object are left"):
                self.generations.discard_recorded(old.generation)

    def _drop(self, key: str, id_: str) -> None:
        with _left("an entry of no object is left in the index"):
            self.index.drop(key, id_)

    # -- deleting -----------------------------------------------------------------------

    def delete(self, keys: Sequence[str]) -> dict[str, OSError]:
        """Gives those that are still there, and why. Ends in time, though each could take long."""
        failures = dict[str, OSError]()
        for key in keys:
            late = [error for error in failures.values() if error.errno == errno.ETIMEDOUT]
            try:
                if len(late) >= _LATE:
                    raise late[-1]
                self.remove(key)
            except OSError as error:
                failures[key] = error
        return failures

    def remove(self, key: str) -> None:
        """Head, entry and chunks of one object, if there is one."""
        for _ in range(_TRIES):
            head = self.find(key)
            if head is None or self._removed(key, head):
                return
        raise OSError(errno.EBUSY, "others replace the object all the time")

    def _removed(self, key: str, head: Head) -> bool:
        self.index.mark(key, head.id)
        change = Change(expected={_ID: head.id}, remove=True)
        try:
            self.objects.change(places.head(key), change)
        except OSError as error:
            if is_changed(error):
                self._drop(key, head.id)
                return False
            raise
        self._drop(key, head.id)
        if head.generation:
            with _left("chunks of a deleted object are left"):
                self.generations.discard_recorded(head.generation)
        return True


@contextmanager
def _left(what: str) -> Generator[None]:
    """What cannot be tidied up is logged and left for `entrepot-rados reindex`."""
    try:
        yield
    except OSError as error:
        if not is_changed(error):
            _LOG.warning("RADOS: %s: %s", what, error.strerror)
