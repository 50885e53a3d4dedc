"""Uploads that any process continues, from their token alone."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

from entrepot.core import Entry, OffsetError, UnavailableError, Upload
from entrepot.core.threads import Threads
from entrepot_rados.errors import translating
from entrepot_rados.head import INLINE, Run, inline, striped
from entrepot_rados.objects import Change, is_changed
from entrepot_rados.places import chunk
from entrepot_rados.source import Source
from entrepot_rados.state import State, States, room
from entrepot_rados.store import Store
from entrepot_rados.transfers import Sending, reading
from entrepot_rados.writing import Writing

_CLAIMED = 3600.0  # seconds in which a commit surely ends, or its process has
_HELD = "held"
_TRIES = 100
_FEW = 16  # runs that are left as they lie, whatever their sizes


class RadosUpload(Upload):
    def __init__(self, threads: Threads, store: Store, writing: Writing, token: str) -> None:
        self._threads = threads
        self._store = store
        self._writing = writing
        self._states = States(store.objects)
        self._token = token

    async def size(self) -> int:
        with translating(self._token):
            state = await self._threads.run(self._states.find, self._token)
        return 0 if state is None or state.aborted else state.size

    # -- growing ------------------------------------------------------------------------

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        """What came before a broken stream broke is kept; of a cancelled one, whole chunks."""
        with translating(self._token):
            state = await self._threads.run(self._at, offset)
        source = Source(chunks)
        small = room(state)
        body, error = await _taken(source, small) if small else (b"", None)
        if small and (error is not None or len(body) < small):
            if body:
                with translating(self._token):
                    await self._threads.run(self._hold, state, body)
            if error is not None:
                raise error
            return offset + len(body)
        source.give_back(body)
        with translating(self._token):
            run = await self._threads.run(_Appending, self._store, self._token, state, self._chunk)
        return await self._stream(source, run)

    @property
    def _chunk(self) -> int:
        return self._writing.chunksize

    def _at(self, offset: int) -> State | None:
        state = self._states.find(self._token)
        if state is not None and state.aborted:
            self._abort()  # an earlier one did not come to its end
            state = None
        if offset != (state.size if state is not None else 0):
            raise self._wrong(state, offset)
        if state is not None and state.target:
            raise OffsetError(self._token, "upload is being committed")
        return state

    def _hold(self, state: State | None, body: bytes) -> None:
        with _alone(self._token):
            if state is None:
                self._states.begin(self._token, body)
            else:
                self._states.hold(self._token, state, body)

    async def _stream(self, source: Source, run: _Appending) -> int:
        sending = Sending(self._threads, self._store.objects, *run.place)
        error: Exception | None = None
        try:
            while not source.ended and error is None:
                body, error = await _taken(source, self._chunk)
                with translating(self._token):
                    if body:
                        await sending.send(body)
                    await self._threads.run(run.grow, sending.whole)
            with translating(self._token):
                while await sending.settle():
                    await self._threads.run(run.grow, sending.whole)
        except BaseException as failure:
            try:
                await sending.end()
            finally:
                if not isinstance(failure, UnavailableError):  # else it would wait once more
                    await self._threads.run(run.tidy, sending.sent)
            raise
        if error is not None:
            raise error
        return run.state.size

    # -- ending -------------------------------------------------------------------------

    async def commit(self, key: str, size: int) -> Entry:
        with translating(key):
            state = await self._threads.run(self._claimed, key, size)
            if state is None:
                return await self._threads.run(self._store.put, key, inline(b""))
        if self._is_scattered(state):
            return await self._joined(key, state)
        with translating(key):
            return await self._threads.run(self._finished, key, state)

    def _is_scattered(self, state: State) -> bool:
        """Whether a reader had to ask for many small chunks."""
        many = len(state.whole)
        return many > _FEW and INLINE < state.size < many * self._chunk / 2

    def _claimed(self, key: str, size: int) -> State | None:
        """None if there is nothing to commit."""
        state = self._states.find(self._token)
        held = state.size if state is not None and not state.aborted else 0
        if held != size:
            raise self._wrong(state, size)
        if state is None or state.aborted:
            return None
        if state.target not in ("", key):
            raise OffsetError(self._token, "upload is being committed to another object")
        with _alone(self._token):
            return self._states.claim(self._token, state, key)

    def _finished(self, key: str, state: State) -> Entry:
        """Chunks become the object as they lie; what is small becomes its own content."""
        with _alone(self._token):
            held = self._states.held(self._token, state)
            small = held + self._chunks(state) if state.size <= INLINE else b""
        if state.size <= INLINE:
            entry = self._store.put(key, inline(small))
            self._forget(state)
            return entry
        runs = _runs(state)
        self._store.generations.record(state.generation, runs, key=key, token=self._token)
        if held:
            name = chunk(state.generation, _HELD, 0)
            self._store.objects.change(name, Change(content=held))
        whole = [run for run in runs if run.size]
        entry = self._store.put(key, striped(state.generation, whole))
        self._states.forget(self._token, state)
        return entry

    def _chunks(self, state: State) -> bytes:
        """The content of what is small and lies in chunks all the same."""
        found = [
            self._store.objects.read(chunk(state.generation, run.name, number), run.chunk)
            for run in state.whole
            for number in range(run.count)
        ]
        return b"".join(found)

    async def _joined(self, key: str, state: State) -> Entry:
        """Written anew, because it came in so many small pieces."""
        async with aclosing(self._content(state)) as content:
            entry = await self._writing.write(key, content)
        with translating(key):
            await self._threads.run(self._forget, state)
        return entry

    async def _content(self, state: State) -> AsyncGenerator[bytes, None]:
        with translating(self._token):
            yield await self._threads.run(self._states.held, self._token, state)
        stop = state.size - state.held
        place = self._store.objects, state.generation, state.whole
        async with aclosing(reading(self._threads, *place, 0, stop)) as found:
            async for piece in found:
                yield piece

    async def abort(self) -> None:
        with translating(self._token):
            await self._threads.run(self._abort)

    def _abort(self) -> None:
        for _ in range(_TRIES):
            state = self._states.find(self._token)
            if state is None:
                return
            if state.target and not state.aborted:
                self._abort_commit(state)
                return
            try:
                given_up = state if state.aborted else self._states.give_up(self._token, state)
            except OSError as error:
                if not is_changed(error):
                    raise
            else:
                self._forget(given_up)
                return

    def _abort_commit(self, state: State) -> None:
        """Of one that was interrupted, or is under way: its chunks may be the object's."""
        head = self._store.find(state.target)
        is_done = head is not None and head.generation == state.generation
        runs = _runs(state)
        if runs and not is_done and time.time() - state.since > _CLAIMED:
            self._store.generations.discard(state.generation, runs)
        elif runs:
            self._store.generations.record(state.generation, runs, key=state.target)
        self._states.forget(self._token, state)

    def _forget(self, state: State) -> None:
        """The upload with its chunks, which are nobody's."""
        if state.runs or not state.held:
            self._store.generations.discard(state.generation, _runs(state))
        self._states.forget(self._token, state)

    def _wrong(self, state: State | None, size: int) -> OffsetError:
        held = state.size if state is not None and not state.aborted else 0
        return OffsetError(self._token, f"upload holds {held} bytes, not {size}")


def _runs(state: State) -> list[Run]:
    """All chunks that there are of an upload, or may be; what it holds itself becomes one."""
    first = [Run(_HELD, state.held, state.held)] if state.held else []
    return [*first, *state.runs] if state.runs else []


class _Appending:
    """One append in chunks. `state` is what the pool says, also if its task is cancelled."""

    def __init__(self, store: Store, token: str, state: State | None, chunksize: int) -> None:
        """Blocking; makes the upload if there is none."""
        self._store = store
        self._states = States(store.objects)
        self._token = token
        self._is_sure = True
        with _alone(token):
            begun = state if state is not None else self._states.begin(token, b"")
            if not begun.runs:
                store.generations.record(begun.generation, (), token=token)
            state, run = self._states.open_run(token, begun, chunksize)
        self.state: State = state
        self.run: Run = run

    @property
    def place(self) -> tuple[str, str, int]:
        return self.state.generation, self.run.name, self.run.chunk

    def grow(self, run: Run) -> None:
        if run.size == self.run.size:
            return
        self._is_sure = False
        with _alone(self._token):
            try:
                self.state = self._states.grow(self._token, self.state, run)
            except OSError as error:
                self._is_sure = is_changed(error)
                raise
        self.run = run
        self._is_sure = True

    def tidy(self, sent: Run) -> None:
        """Remove the chunks that do not count; left where that is unsure or fails."""
        if self._is_sure:
            with suppress(OSError):
                self._store.generations.trim(self.state.generation, sent, self.run.count)


class _alone:  # noqa: N801 - reads as the statement that it makes
    """Turns a change that somebody else was faster with into an OffsetError."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OSError) and (is_changed(error) or isinstance(error, FileExistsError)):
            reason = "another append or a commit of the upload came first"
            raise OffsetError(self._token, reason) from error


async def _taken(source: Source, size: int) -> tuple[bytes, Exception | None]:
    """The next bytes, and the error that the stream broke off with behind them."""
    try:
        return await source.take(size), None
    except Exception as error:
        return source.taken(), error
