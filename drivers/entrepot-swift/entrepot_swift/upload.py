"""Uploads that any process continues, from their token alone.

`<token>/data` is a small object that names where the segments are; each segment's name is the
offset at which it begins, created once. What becomes of them is decided by another object, the
claim beside them: a commit writes the key of its target there, an abort writes that it is one.
A commit makes a manifest of the segments as they lie, so nothing is written twice.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from entrepot.core import Entry, ExistsError, OffsetError, Upload
from entrepot.core.concurrency import each
from entrepot_swift.joining import groups
from entrepot_swift.large import Large, Segment, SegmentsGoneError
from entrepot_swift.places import new_id
from entrepot_swift.settling import unbroken
from entrepot_swift.source import Source
from entrepot_swift.store import Store, moment

_ABORTED = ""  # as the target of a claim
_CLAIMED = 3600.0  # seconds in which a commit surely ends, or its process has


@dataclass(frozen=True, slots=True)
class _Claim:
    target: str
    since: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class _State:
    """What is there of an upload. Without an `id` it never began, or has ended."""

    id: str = ""
    segments: tuple[Segment, ...] = ()
    claim: _Claim | None = None

    @property
    def size(self) -> int:
        return sum(segment.size for segment in self.segments)


class SwiftUpload(Upload):
    """One upload. What it saw last it tries first: creations fail where that is out of date."""

    def __init__(self, store: Store, token: str, chunksize: int) -> None:
        self._store = store
        self._places = store.places
        self._token = token
        self._key = f"{token}/data"
        self._path = store.places.path(self._key)
        self._chunksize = chunksize
        self._seen: _State | None = None

    async def size(self) -> int:
        self._seen = await self._state()
        return self._seen.size

    # -- growing ------------------------------------------------------------------------

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        """What came before a broken stream broke is kept; of a cancelled one, whole segments."""
        state = await self._at(offset)
        source = Source(chunks)
        error: Exception | None = None
        while not source.ended and error is None:
            try:
                body = await source.take(self._chunksize)
            except Exception as raised:
                error, body = raised, source.taken()
            if body:
                state = await unbroken(self._add(state, body))
        if error is not None:
            raise error
        return state.size

    async def _at(self, offset: int) -> _State:
        state = self._seen
        if state is None or state.size != offset:
            state = await self._state()
        if state.size != offset:
            raise self._wrong(state, offset)
        if state.claim is not None and state.claim.target != _ABORTED:
            raise OffsetError(self._token, "upload is being committed")
        if state.claim is not None:
            await self.abort()  # an earlier one did not come to its end
            state = _State()
        return state

    async def _add(self, state: _State, body: bytes) -> _State:
        self._seen = None
        id_ = state.id or await self._begin()
        path = self._places.segment(id_, state.size)
        try:
            answer = await self._store.put_at(path, self._key, body, create=True)
        except ExistsError as error:
            reason = f"another append began at {state.size}"
            raise OffsetError(self._token, reason) from error
        segment = Segment(path, len(body), answer.headers["Etag"].strip('"'))
        self._seen = replace(state, id=id_, segments=(*state.segments, segment))
        return self._seen

    async def _begin(self) -> str:
        """Where segments go from now on."""
        id_ = new_id()
        body = json.dumps({"segments": id_}).encode()
        try:
            await self._store.put_at(self._path, self._key, body, create=True)
        except ExistsError as error:
            found = await self._place()
            if not found:
                raise OffsetError(self._token, "upload is another program's") from error
            return found
        return id_

    # -- looking ------------------------------------------------------------------------

    async def _place(self) -> str:
        """The id of the segments; empty if there is no upload, or one of Distribution's."""
        found = await self._store.get(self._path, self._key)
        if found is None or Large.of(found.headers) is not None:
            return ""
        try:
            return str(json.loads(found.body)["segments"])
        except (ValueError, KeyError, TypeError):
            return ""

    async def _state(self) -> _State:
        id_ = await self._place()
        if not id_:
            return _State()
        claim, listed = await asyncio.gather(
            self._claim(id_), self._store.listing.below(self._places.segments(id_))
        )
        if claim is not None and claim.target == _ABORTED:
            return _State(id_, (), claim)
        return _State(id_, await self._chain(id_, {each.path: each for each in listed}), claim)

    async def _chain(self, id_: str, listed: dict[str, Segment]) -> tuple[Segment, ...]:
        """The segments from the first on, those that a listing does not show yet, too."""
        found = list[Segment]()
        end = 0
        while True:
            path = self._places.segment(id_, end)
            segment = listed.get(path) or await self._segment(path)
            if segment is None:
                return tuple(found)
            found.append(segment)
            end += segment.size

    async def _segment(self, path: str) -> Segment | None:
        found = await self._store.find(path, self._key)
        if found is None:
            return None
        return Segment(path, int(found["Content-Length"]), found["Etag"].strip('"'))

    async def _claim(self, id_: str) -> _Claim | None:
        found = await self._store.get(self._places.claim(id_), self._key)
        return _Claim(found.body.decode(), moment(found.headers)) if found is not None else None

    # -- ending -------------------------------------------------------------------------

    async def commit(self, key: str, size: int) -> Entry:
        state = self._seen
        if state is None or state.size != size:
            state = await self._state()
        if state.size != size:
            raise self._wrong(state, size)
        self._seen = None
        return await unbroken(self._commit(state, key))

    async def _commit(self, state: _State, key: str) -> Entry:
        if not state.segments:
            return await self._store.put(key, b"")
        if (await self._claimed(state.id, key)).target != key:
            raise OffsetError(self._token, "upload was committed or aborted meanwhile")
        try:
            entry, used = await self._finish(state, key)
        except SegmentsGoneError as error:
            raise OffsetError(self._token, "upload was committed meanwhile") from error
        await self._forget(state.id)
        await self._store.discard([each.path for each in state.segments if each.path not in used])
        return entry

    async def _finish(self, state: _State, key: str) -> tuple[Entry, set[str]]:
        """A plain object of what is small, else a large one; and which segments are part of it."""
        if len(state.segments) == 1:
            only = state.segments[0]
            return await self._store.copy_object(only.path, key, only.size, self._key), set()
        if state.size <= self._chunksize:
            return await self._store.put(key, await self._read(state.segments)), set()
        parts = await each(self._joined, groups(state.segments), 1)
        entry = await self._store.put_large(key, parts, state.id)
        return entry, {part.path for part in parts}

    async def _joined(self, group: list[Segment]) -> Segment:
        """One segment of several, because Swift slows down answers made of many small ones."""
        if len(group) == 1:
            return group[0]
        body, path = await self._read(group), f"{group[0].path}-joined"
        answer = await self._store.put_at(path, self._key, body)
        return Segment(path, len(body), answer.headers["Etag"].strip('"'))

    async def _read(self, segments: tuple[Segment, ...] | list[Segment]) -> bytes:
        async def one(segment: Segment) -> bytes:
            found = await self._store.get(segment.path, self._key)
            if found is None or len(found.body) != segment.size:
                raise SegmentsGoneError(self._key, "a segment is gone")
            return found.body

        return b"".join(await each(one, segments))

    async def abort(self) -> None:
        self._seen = None
        await unbroken(self._abort())

    async def _abort(self) -> None:
        id_ = await self._place()
        if not id_:
            await self._abort_other()
            return
        claim = await self._claimed(id_, _ABORTED)
        if claim.target == _ABORTED or (
            time.time() - claim.since > _CLAIMED and not await self._store.refers(claim.target, id_)
        ):
            keep = self._places.claim(id_)
            found = await self._store.listing.below(self._places.segments(id_))
            await self._store.discard([each.path for each in found if each.path != keep])
        await self._forget(id_)

    async def _abort_other(self) -> None:
        """Remove what Distribution began here."""
        segments = await self._store.behind(self._path, self._key)
        failures = await self._store.deleting.delete({self._path: self._key})
        for failure in failures.values():
            raise failure
        await self._store.discard(segments)

    async def _claimed(self, id_: str, target: str) -> _Claim:
        """The claim on the segments: ours, unless somebody was faster."""
        try:
            await self._store.put_at(
                self._places.claim(id_), self._key, target.encode(), create=True
            )
        except ExistsError:
            found = await self._claim(id_)
            return found if found is not None else _Claim("?", time.time())
        return _Claim(target, time.time())

    async def _forget(self, id_: str) -> None:
        """The upload first: one without its claim could be aborted, and the object with it."""
        for path in (self._path, self._places.claim(id_)):
            failures = await self._store.deleting.delete({path: self._key})
            for failure in failures.values():
                raise failure

    def _wrong(self, state: _State, size: int) -> OffsetError:
        return OffsetError(self._token, f"upload holds {state.size} bytes, not {size}")
