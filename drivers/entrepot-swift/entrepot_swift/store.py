"""Objects and their segments: what a write, a copy and a deletion are made of."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import httpx2

from entrepot.core import (
    AccessError,
    Entry,
    ExistsError,
    FullError,
    NotFoundError,
    StorageError,
    UnavailableError,
)
from entrepot.core.concurrency import each
from entrepot_swift.client import Answer, Client, Request
from entrepot_swift.deleting import Deleting
from entrepot_swift.features import Features
from entrepot_swift.large import Large, Segment, SegmentsGoneError, listed, manifest
from entrepot_swift.listing import Listing
from entrepot_swift.places import Places, new_id

_LOG = logging.getLogger(__name__)
_WRITER = "X-Object-Meta-Entrepot-Writer"
_SEGMENTS = "X-Object-Meta-Entrepot-Segments"
_NEWEST = {"X-Newest": "true"}  # of all copies, not of the one that answers first
_COPIED = 10 * 1024 * 1024  # bytes a second that a server copies at least
_CHECKED = 0.2  # seconds in which it surely looks at a segment
_SENT_TWICE = 64 * 1024  # bytes that are sent before anything is known of what they replace
_TYPE = {"Content-Type": "application/octet-stream"}
_THERE = 412  # there is an object already
_SUPERSEDED = 202  # a newer object is there: another server's clock is ahead
_FINAL = (AccessError, ExistsError, FullError, NotFoundError, SegmentsGoneError)


class Store:
    """The container, in the operations that the driver and its uploads are made of.

    Whatever replaces or removes an object removes the segments behind it, too, but only after
    the object itself: a reader may lose its answer, nobody finds an object without content.
    """

    def __init__(self, client: Client, places: Places, features: Features) -> None:
        self.client = client
        self.places = places
        self.listing = Listing(client, places, features.page)
        self.deleting = Deleting(client, features.most_deletes)
        self._most = features.most_segments

    async def head(self, path: str, key: str, *, newest: bool = False) -> httpx2.Headers:
        headers = _NEWEST if newest else None
        answer = await self.client.call(Request(key, "HEAD", path, headers=headers))
        return answer.headers

    async def find(self, path: str, key: str) -> httpx2.Headers | None:
        """The newest there is of an object, of which all copies are asked."""
        try:
            return await self.head(path, key, newest=True)
        except NotFoundError:
            return None

    async def get(self, path: str, key: str) -> Answer | None:
        """A small object, the newest there is of it."""
        try:
            return await self.client.call(Request(key, "GET", path, headers=_NEWEST))
        except NotFoundError:
            return None

    # -- writing ------------------------------------------------------------------------

    async def put(self, key: str, body: bytes, *, create: bool = False) -> Entry:
        """Store what is one object, in place of whatever is under the key."""
        path = self.places.path(key)
        if create:
            answer = await self.put_at(path, key, body, create=True)
        else:
            answer = await self._put_new(path, key, body) or await self._put_over(path, key, body)
        return Entry(key, len(body), moment(answer.headers))

    async def _put_new(self, path: str, key: str, body: bytes) -> Answer | None:
        """One PUT where there is nothing yet, as mostly; None if something may be there."""
        if len(body) > _SENT_TWICE:
            return None
        answer = await self._written(_unless_there(_plain(path, key, body)))
        return answer if answer.status != _THERE else None

    async def _put_over(self, path: str, key: str, body: bytes) -> Answer:
        old = await self.behind(path, key)
        answer = await self.put_at(path, key, body)
        await self._replaced(answer, old)
        return answer

    async def put_at(self, path: str, key: str, body: bytes, *, create: bool = False) -> Answer:
        """One PUT. With `create`, the last of several that Swift let through at once wins.

        Raises ExistsError: if there is an object, or another one came to be there meanwhile.
        """
        request = _plain(path, key, body)
        return await (self._created(request) if create else self._written(request))

    async def _created(self, request: Request) -> Answer:
        writer = uuid.uuid4().hex
        headers = {**(request.headers or {}), _WRITER: writer}
        answer = await self._written(_unless_there(replace(request, headers=headers)))
        # A first try may have created it, its answer lost; and Swift lets some through that
        # look for an object at the same moment.
        found = await self.find(request.path, request.key)
        if found is None or found.get(_WRITER) != writer:
            raise ExistsError(request.key)
        return answer if answer.status != _THERE else Answer(201, found, b"")

    async def _written(self, request: Request) -> Answer:
        try:
            return await self.client.call(request)
        except NotFoundError:
            reason = f"there is no container {self.places.container!r}"
            raise AccessError(request.key, reason) from None

    async def put_large(
        self, key: str, segments: Sequence[Segment], id_: str, *, create: bool = False
    ) -> Entry:
        """Make an object of segments that are there, in place of whatever is under the key."""
        path = self.places.path(key)
        old = [] if create else await self.behind(path, key)
        top = await self._grouped(segments, id_, key)
        answer = await self._put_manifest(path, key, top, id_, create=create)
        kept = {segment.path for segment in (*segments, *top)}
        await self._replaced(answer, [each for each in old if each not in kept])
        return Entry(key, sum(segment.size for segment in segments), moment(answer.headers))

    async def put_large_or_clear(
        self, key: str, segments: Sequence[Segment], id_: str, *, create: bool = False
    ) -> Entry:
        """The same of segments that are for this object only; refused for good, they are removed.

        If nobody knows whether the object came to be, they are kept for it.
        """
        try:
            return await self.put_large(key, segments, id_, create=create)
        except _FINAL:
            await self.clear(id_)
            raise

    async def _put_manifest(
        self, path: str, key: str, segments: Sequence[Segment], id_: str, *, create: bool
    ) -> Answer:
        headers = _TYPE | {_SEGMENTS: quote(self.places.segments(id_))}
        request = _manifest(path, key, segments, headers)
        try:
            return await (self._created(request) if create else self._written(request))
        except UnavailableError as error:
            if "400 " in error.reason:
                raise SegmentsGoneError(key, error.reason) from None
            raise

    async def _grouped(self, segments: Sequence[Segment], id_: str, key: str) -> Sequence[Segment]:
        """As many as one manifest takes: more of them are large objects within the large one."""
        if len(segments) <= self._most:
            return segments
        groups = list[Segment]()
        for at in range(0, len(segments), self._most):
            some = segments[at : at + self._most]
            path = f"/{self.places.container}/{self.places.segments(id_)}group-{len(groups):06d}"
            await self.client.call(_manifest(path, key, some, {}))
            groups.append(Segment(path, sum(segment.size for segment in some)))
        return groups

    async def _replaced(self, answer: Answer, old: Sequence[str]) -> None:
        """Remove what was behind an object, unless it is still the object."""
        if answer.status != _SUPERSEDED:
            await self.discard(old)

    # -- large objects ------------------------------------------------------------------

    async def behind(self, path: str, key: str) -> list[str]:
        """Paths of all that goes with an object; none for a plain or an absent one.

        What is not in our folder of segments stays: a container that was copied has manifests
        that lead to the segments of the one it was copied from.
        """
        found = await self.find(path, key)
        large = Large.of(found) if found is not None else None
        if large is None or large.was_made_for(key):
            return []
        if large.dynamic and not self.places.is_ours(f"/{large.dynamic}"):
            return []
        parts = await self.parts(path, key, large, inner=True)
        return [segment.path for segment in parts if self.places.is_ours(segment.path)]

    async def parts(
        self, path: str, key: str, large: Large, *, inner: bool = False
    ) -> list[Segment]:
        """The segments of a large object in order; with `inner`, the large ones among them, too."""
        if large.dynamic:
            return await self.listing.segments(large.dynamic)
        query = {"multipart-manifest": "get"}
        answer = await self.client.call(Request(key, "GET", path, query, _NEWEST))
        found = list[Segment]()
        for segment, is_large in listed(key, answer.body):
            if is_large:
                found += await self.parts(segment.path, key, large, inner=inner)
            if inner or not is_large:
                found.append(segment)
        return found

    async def refers(self, key: str, id_: str) -> bool:
        """Whether the object under a key is made of the segments with that id."""
        found = await self.find(self.places.path(key), key)
        return found is not None and found.get(_SEGMENTS) == quote(self.places.segments(id_))

    async def discard(self, paths: Iterable[str]) -> None:
        """Remove what nothing refers to any more; what cannot be removed is logged and left."""
        failures = await self.deleting.delete({path: path for path in paths})
        if failures:
            first = next(iter(failures.values()))
            _LOG.warning("Swift keeps %d segments of no object: %s", len(failures), first.reason)

    # -- copying ------------------------------------------------------------------------

    async def copy(self, source: str, target: str) -> Entry:
        """Inside the cluster; a large object segment by segment.

        Raises NotFoundError: if there is no such source.
        """
        path = self.places.path(source)
        found = await self.head(path, source, newest=True)
        large = Large.of(found)
        if large is None:
            return await self.copy_object(path, target, int(found["Content-Length"]), source)
        id_ = new_id()
        parts = await self.parts(path, source, large)
        offsets = [sum(part.size for part in parts[:at]) for at in range(len(parts))]

        async def one(number: int) -> Segment:
            part, to = parts[number], self.places.segment(id_, offsets[number])
            answer = await self._copied(part.path, to, part.size, source)
            return Segment(to, part.size, answer.headers["Etag"].strip('"'))

        try:
            copies = await each(one, range(len(parts)), 4)
        except BaseException:
            await self.clear(id_)
            raise
        if not copies:
            return await self.put(target, b"")
        return await self.put_large_or_clear(target, copies, id_)

    async def copy_object(self, path: str, target: str, size: int, source: str) -> Entry:
        """One plain object, in place of whatever is under the key `target`."""
        old = await self.behind(self.places.path(target), target)
        answer = await self._copied(path, self.places.path(target), size, source)
        await self._replaced(answer, old)
        return Entry(target, size, moment(answer.headers))

    async def _copied(self, path: str, to: str, size: int, key: str) -> Answer:
        headers = {"X-Copy-From": quote(path, safe="/"), "X-Fresh-Metadata": "true"}
        return await self.client.call(Request(key, "PUT", to, None, headers, slow=size / _COPIED))

    async def clear(self, id_: str) -> None:
        """Remove the segments with that id; what cannot be removed is logged and left."""
        try:
            found = await self.listing.below(self.places.segments(id_))
        except StorageError as error:
            _LOG.warning("Swift keeps segments of no object in %s: %s", id_, error.reason)
            return
        await self.discard([segment.path for segment in found])


def _plain(path: str, key: str, body: bytes) -> Request:
    return Request(key, "PUT", path, None, _TYPE, body)


def _unless_there(request: Request) -> Request:
    headers = {**(request.headers or {}), "If-None-Match": "*"}
    return replace(request, headers=headers, expected=(*request.expected, _THERE))


def _manifest(
    path: str, key: str, segments: Sequence[Segment], headers: Mapping[str, str]
) -> Request:
    return Request(
        *(key, "PUT", path, {"multipart-manifest": "put"}, headers, manifest(segments)),
        slow=_CHECKED * len(segments),
    )


def moment(headers: httpx2.Headers) -> float:
    """When an object was written, in seconds since the epoch."""
    if "X-Timestamp" in headers:
        return float(headers["X-Timestamp"])
    if "Last-Modified" in headers:
        return parsedate_to_datetime(headers["Last-Modified"]).timestamp()
    return time.time()
