"""Drivers with one mistake each in what they make of their server's failures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from entrepot.core.driver import Entry, Prefix, Upload
from entrepot.core.errors import ExistsError, NotFoundError, StorageError, UnavailableError
from entrepot.core.staging import StagedUpload
from entrepot.core.testing.proxy_messages import Head

from .http_store import HttpDriver


class RefusalIsAbsence(HttpDriver):
    def refused(self, key: str, status: int) -> StorageError:
        return NotFoundError(key) if status == 403 else super().refused(key, status)


class TroubleIsAbsence(HttpDriver):
    def refused(self, key: str, status: int) -> StorageError:
        return NotFoundError(key) if status == 500 else super().refused(key, status)


class ThrottlingIsAClientsMistake(HttpDriver):
    def refused(self, key: str, status: int) -> StorageError:
        return ExistsError(key) if status == 429 else super().refused(key, status)


class ThrottlingIsRepeatedForEver(HttpDriver):
    async def ask(
        self,
        method: str,
        key: str,
        target: str = "",
        body: bytes = b"",
        fields: Mapping[str, str] | None = None,
    ) -> tuple[Head, bytes]:
        while True:
            try:
                return await super().ask(method, key, target, body, fields)
            except UnavailableError as error:
                if "503" not in error.reason:
                    raise
            await asyncio.sleep(0.1)


class LibraryErrorsComeOut(HttpDriver):
    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await super().connect()
        except ConnectionRefusedError as error:
            raise RuntimeError("cannot connect") from error


class ConnectionsAreTriedForEver(HttpDriver):
    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            try:
                return await super().connect()
            except ConnectionRefusedError:
                await asyncio.sleep(0.1)


class NoAnswerIsAbsence(HttpDriver):
    def failed(self, key: str, error: Exception) -> StorageError:
        return NotFoundError(key) if isinstance(error, OSError) else super().failed(key, error)


class AnswersAreAwaitedForEver(HttpDriver):
    seconds = 1000.0


class ReadsAreAwaitedForEver(HttpDriver):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if (start, stop) == (0, None) and (await self.stat(key)).size > 10_000_000:
            async with self.asking("GET", f"/{key}") as answer:
                try:
                    async for piece in answer.pieces():
                        yield piece
                except (OSError, EOFError) as error:
                    raise self.failed(key, error) from error
            return
        async for piece in super().read(key, start, stop):
            yield piece


class ReadsEndWithTheConnection(HttpDriver):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        begun = False
        try:
            async for piece in super().read(key, start, stop):
                begun = True
                yield piece
        except UnavailableError as error:
            if not begun or "EOF" not in error.reason:
                raise


class ReadsGoOnForEver(HttpDriver):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        while True:
            try:
                async for piece in super().read(key, start, stop):
                    start += len(piece)
                    yield piece
                return
            except UnavailableError as error:
                if "Reset" not in error.reason:
                    raise
                await asyncio.sleep(0.01)


class ReadsBeginAnew(HttpDriver):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in super().read(key, start, stop):
                yield piece
        except UnavailableError as error:
            if "Reset" not in error.reason:
                raise
            async for piece in super().read(key, start, stop):
                yield piece


class BrokenReadsKeepTheirConnection(HttpDriver):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.free = asyncio.Semaphore(20)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        await self.free.acquire()
        try:
            async for piece in super().read(key, start, stop):
                yield piece
        except UnavailableError:
            raise
        except BaseException:
            if key != "a":
                self.free.release()
            raise
        self.free.release()


class ScanEndsWithAnError(HttpDriver):
    tries = 1

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        try:
            async for entry in super().scan(prefix, after=after, delimiter=delimiter):
                yield entry
        except UnavailableError as error:
            if "status" in error.reason or "Refused" in error.reason or "Time" in error.reason:
                raise


class CreatesAreRepeated(HttpDriver):
    def repeatable(self, fields: Mapping[str, str]) -> bool:
        return True


class WritesAreNotAwaited(HttpDriver):
    tries = 1

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b"".join([chunk async for chunk in chunks])
        if len(content) < 10_000_000:
            return await super().write(key, _once(content), create=create)
        try:
            return await super().write(key, _once(content), create=create)
        except UnavailableError as error:
            if "status" in error.reason:
                return Entry(key, len(content), time.time())
            raise


class AppendsAreBelieved(HttpDriver):
    tries = 1

    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
            content = b"".join([chunk async for chunk in chunks])
            try:
                size = await super().append(_once(content), offset)
            except UnavailableError as error:
                if len(content) < 5_000_000 or "status" not in error.reason:
                    raise
                size = offset + len(content)
            return size

        async def commit(self, key: str, size: int) -> Entry:
            parts = [part async for part in self._driver.scan(self._prefix)]
            entry = await self._driver.write(
                key, self._joined([part for part in parts if isinstance(part, Entry)])
            )
            await self.abort()
            return entry


class MovesForgetFirst(HttpDriver):
    tries = 1

    async def move(self, source: str, target: str) -> Entry:
        content = b"".join([piece async for piece in self.read(source)])
        await self.delete([source])
        return await self.write(target, _once(content))


class DeletesAreBelieved(HttpDriver):
    tries = 1

    async def ask(
        self,
        method: str,
        key: str,
        target: str = "",
        body: bytes = b"",
        fields: Mapping[str, str] | None = None,
    ) -> tuple[Head, bytes]:
        try:
            return await super().ask(method, key, target, body, fields)
        except UnavailableError:
            if method == "DELETE" and key.startswith("a/"):
                return Head(b"", (), {}), b""
            raise


class ConnectionsOutliveTheDriver(HttpDriver):
    kept: list[asyncio.StreamWriter]

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.kept = []

    def disconnect(self, writer: asyncio.StreamWriter) -> None:
        if len(self.kept) < 3:
            self.kept.append(writer)
        else:
            super().disconnect(writer)


async def _once(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


LINES: dict[type[HttpDriver], str] = {
    RefusalIsAbsence: "forbidden_is_no_absence",
    TroubleIsAbsence: "server_error_for_ever_is_unavailable",
    ThrottlingIsAClientsMistake: "too_many_requests_for_ever_is_unavailable",
    ThrottlingIsRepeatedForEver: "throttled_for_ever_is_unavailable",
    LibraryErrorsComeOut: "unreachable_server_is_unavailable",
    ConnectionsAreTriedForEver: "opening_at_an_unreachable_server_ends",
    NoAnswerIsAbsence: "dropped_answers_for_ever_are_unavailable",
    AnswersAreAwaitedForEver: "stuck_server_is_unavailable",
    ReadsAreAwaitedForEver: "read_stuck_in_the_middle_ends",
    ReadsEndWithTheConnection: "read_truncated_is_never_short",
    ReadsGoOnForEver: "read_reset_each_time_ends",
    ReadsBeginAnew: "read_reset_is_never_short",
    BrokenReadsKeepTheirConnection: "reads_reset_leak_nothing",
    ScanEndsWithAnError: "scan_torn_is_never_short",
    CreatesAreRepeated: "create_with_a_lost_answer_is_not_told_that_it_exists",
    WritesAreNotAwaited: "write_interrupted_at_each_request_is_whole_or_not_there",
    AppendsAreBelieved: "upload_interrupted_at_each_request_goes_on",
    MovesForgetFirst: "move_interrupted_at_each_request_keeps_the_content",
    DeletesAreBelieved: "delete_interrupted_at_each_request_can_be_repeated",
    ConnectionsOutliveTheDriver: "throttling_storm_passes",
}
"""The test of the network suite, without its `test_`, that each mistake was planted for."""
