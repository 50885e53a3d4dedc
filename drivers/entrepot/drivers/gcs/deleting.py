"""Deleting many objects: a hundred in a request at Google, side by side elsewhere."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from email.parser import BytesParser

from entrepot.core import DeleteError, NotFoundError, StorageError
from entrepot.core.concurrency import each
from entrepot.drivers.gcs.errors import TransientError, answered
from entrepot.drivers.gcs.names import Names
from entrepot.drivers.gcs.patience import persistently
from entrepot.drivers.gcs.wire import Answer, Request, Wire

_ID = re.compile(r"<?response-<?(\d+)>?>?")
_STATUS = re.compile(rb"HTTP/1\.\d (\d{3})")
_BATCH = 100  # requests in one, by Google's rules
_FEW = 4  # keys that are deleted sooner one by one
_WIDTH = 4  # batches at a time


class Deleting:
    """`batches` says whether the endpoint has Google's batches; emulators have not."""

    def __init__(self, wire: Wire, names: Names, *, batches: bool) -> None:
        self._wire = wire
        self._names = names
        self._batches = batches

    async def delete(self, keys: Sequence[str]) -> None:
        """Raises DeleteError: with the keys that are still there and each one's reason."""
        if not keys:
            return
        distinct = list(dict.fromkeys(keys))
        failures: dict[str, StorageError] = {}
        if self._batches and len(distinct) > _FEW:
            groups = [distinct[at : at + _BATCH] for at in range(0, len(distinct), _BATCH)]
            for failed in await each(self._delete_group, groups, _WIDTH):
                failures |= failed
        else:
            for failed in await each(self._delete_one, distinct):
                failures |= failed
        if failures:
            raise DeleteError(failures)

    async def _delete_one(self, key: str) -> dict[str, StorageError]:
        try:
            await self._wire.ask(key, Request("DELETE", self._names.path(key)))
        except NotFoundError:
            return {}
        except StorageError as error:
            return {key: error}
        return {}

    async def _delete_group(self, keys: list[str]) -> dict[str, StorageError]:
        failures: dict[str, StorageError] = {}
        waiting = keys

        async def attempt(_: int) -> None:
            nonlocal waiting
            told = await self._delete_batch(waiting)
            failures.update(told)
            waiting = [key for key, error in told.items() if isinstance(error, TransientError)]
            for key in waiting:
                raise failures.pop(key)

        try:
            await persistently(self._wire.patience, attempt)
        except StorageError as error:
            failures.update(dict.fromkeys(waiting, error))
        return failures

    async def _delete_batch(self, keys: list[str]) -> dict[str, StorageError]:
        """Why which keys are still there, as one request tells."""
        boundary = uuid.uuid4().hex
        lines = [
            f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n"
            f"DELETE {self._names.path(key)} HTTP/1.1\r\n\r\n"
            for number, key in enumerate(keys)
        ]
        body = "".join([*lines, f"--{boundary}--\r\n"]).encode()
        headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
        request = Request("POST", "/batch/storage/v1", headers=headers, body=(body,))
        told = _statuses(await self._wire.once(keys[0], request))
        failures: dict[str, StorageError] = {}
        for number, key in enumerate(keys):
            status, content = told.get(number, (0, b""))
            if status == 0:
                failures[key] = TransientError(key, "the batch's answer does not name this key")
            elif status not in {200, 204}:
                failures[key] = answered(key, status, {}, content)
        return {key: e for key, e in failures.items() if not isinstance(e, NotFoundError)}


def _statuses(answer: Answer) -> dict[int, tuple[int, bytes]]:
    """Status and body of each answer in a batch's, by the number of its request."""
    kind = answer.headers.get("Content-Type", "").encode()
    message = BytesParser().parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + answer.body)
    found: dict[int, tuple[int, bytes]] = {}
    for part in message.walk():
        number = _ID.fullmatch(str(part.get("Content-ID", "")))
        content = part.get_payload(decode=True)
        if number is None or not isinstance(content, bytes):
            continue
        head, _, body = content.partition(b"\r\n\r\n")
        status = _STATUS.match(head)
        if status is not None:
            found[int(number[1])] = int(status[1]), body
    return found
