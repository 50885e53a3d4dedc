"""An imitation of librados' binding with a cluster in memory: strict, and unwell on demand."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Self, cast

from entrepot_rados import RadosOptions
from entrepot_rados.binding import Binding

KEY = "AQBmZW5ndWVzdGVkLWtleS1vZi1hLXVzZXI9PQ=="
FULL_TRY = 64
LARGEST = 90 * 1024 * 1024  # bytes that an OSD takes at a time


class FakeError(Exception):
    """The base of the binding's errors; not all of them have a number."""


class FakeOSError(FakeError):
    def __init__(self, number: int, message: str = "an imitated failure") -> None:
        super().__init__(f"[errno {number}] {message}")
        self.errno = number


@dataclass
class FakeObject:
    data: bytes = b""
    omap: dict[str, bytes] = field(default_factory=dict[str, bytes])


Objects = dict[str, FakeObject]
Step = Callable[[Objects, str], None]


@dataclass
class Fault:
    """Lets operations fail: `step` is one of the names below, the object's begins with `name`."""

    step: str
    name: str
    number: int = errno.ETIMEDOUT
    times: int = 1
    lost: bool = False  # it is carried out, but its answer is not heard
    then: Callable[[], object] | None = None  # happens just before

    def hits(self, steps: Sequence[str], name: str) -> bool:
        if self.times and self.step in steps and name.startswith(self.name):
            self.times -= 1
            return True
        return False


class FakeOperation:
    """Of the steps of one write or read."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, Step]] = []
        self.found: list[tuple[str, bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.steps]

    def add(self, name: str, step: Step) -> None:
        self.steps.append((name, step))

    def new(self, exclusive: int | None = None) -> None:
        assert exclusive == RadosFake.LIBRADOS_CREATE_EXCLUSIVE

        def step(objects: Objects, name: str) -> None:
            if name in objects:
                raise FakeOSError(errno.EEXIST)
            objects[name] = FakeObject()

        self.add("new", step)

    def omap_cmp(self, key: str, val: str, cmp_op: int = 1) -> None:
        assert isinstance(val, str)

        def step(objects: Objects, name: str) -> None:
            if name not in objects:
                raise FakeOSError(errno.ENOENT)
            if objects[name].omap.get(key, b"") != val.encode():
                raise FakeOSError(errno.ECANCELED)

        self.add("compare", step)

    def write_full(self, to_write: bytes) -> None:
        assert isinstance(to_write, bytes)
        assert len(to_write) <= LARGEST
        self.add("write", lambda objects, name: setattr(_of(objects, name), "data", to_write))

    def write(self, to_write: bytes, offset: int = 0) -> None:
        def step(objects: Objects, name: str) -> None:
            found = _of(objects, name)
            before = found.data[:offset].ljust(offset, b"\0")
            found.data = before + to_write + found.data[offset + len(to_write) :]

        self.add("write", step)

    def remove(self) -> None:
        def step(objects: Objects, name: str) -> None:
            if objects.pop(name, None) is None:
                raise FakeOSError(errno.ENOENT)

        self.add("remove", step)


class FakeIoctx:
    def __init__(self, fake: RadosFake, pool: str) -> None:
        self.fake = fake
        self.pool = pool
        self.namespace = ""
        self.is_closed = False

    def set_namespace(self, nspace: str) -> None:
        self.namespace = nspace

    @property
    def objects(self) -> Objects:
        assert not self.is_closed
        return self.fake.pools[self.pool].setdefault(self.namespace, {})

    def read(self, key: str, length: int = 8192, offset: int = 0) -> bytes:
        with self.fake.doing(["read"], key):
            return _there(self.objects, key).data[offset : offset + length]

    def stat(self, key: str) -> tuple[int, time.struct_time]:
        with self.fake.doing(["stat"], key):
            return len(_there(self.objects, key).data), time.gmtime()

    def operate_write_op(
        self, write_op: FakeOperation, oid: str, mtime: int = 0, flags: int = 0
    ) -> None:
        with self.fake.doing(write_op.names, oid):
            changed: Objects = {oid: deepcopy(self.objects[oid])} if oid in self.objects else {}
            before = _weight(changed)
            for _, step in write_op.steps:
                step(changed, oid)
            if self.fake.full and _weight(changed) > before:
                assert flags & FULL_TRY, "librados would wait until there is room"
                raise FakeOSError(self.fake.full)
            self.objects.pop(oid, None)
            self.objects.update(changed)

    def operate_read_op(self, read_op: FakeOperation, oid: str, flag: int = 0) -> None:
        with self.fake.doing(read_op.names, oid):
            _there(self.objects, oid)
            for _, step in read_op.steps:
                step(self.objects, oid)

    def set_omap(self, write_op: FakeOperation, keys: Sequence[str], values: Any) -> None:
        assert isinstance(keys, tuple)
        assert all(isinstance(value, bytes) for value in values)
        put = dict(zip(keys, values, strict=True))
        write_op.add("put", lambda objects, name: _of(objects, name).omap.update(put))

    def remove_omap_keys(self, write_op: FakeOperation, keys: Sequence[str]) -> None:
        def step(objects: Objects, name: str) -> None:
            for key in keys:
                _there(objects, name).omap.pop(key, None)

        write_op.add("drop", step)

    def get_omap_vals(
        self, read_op: FakeOperation, start_after: str, filter_prefix: str, max_return: int
    ) -> tuple[list[tuple[str, bytes]], int]:
        most = min(max_return, self.fake.page)

        def step(objects: Objects, name: str) -> None:
            omap = objects[name].omap
            keys = sorted(k for k in omap if k > start_after and k.startswith(filter_prefix))
            read_op.found.extend((key, omap[key]) for key in keys[:most])

        read_op.add("list", step)
        return read_op.found, 0

    def get_omap_vals_by_keys(
        self, read_op: FakeOperation, keys: Sequence[str]
    ) -> tuple[list[tuple[str, bytes]], int]:
        def step(objects: Objects, name: str) -> None:
            omap = objects[name].omap
            read_op.found.extend((key, omap[key]) for key in keys if key in omap)

        read_op.add("look", step)
        return read_op.found, 0

    def list_objects(self) -> Iterator[FakeName]:
        return iter([FakeName(name) for name in reversed(list(self.objects))])

    def close(self) -> None:
        self.is_closed = True


@dataclass
class FakeName:
    key: str


class FakeClient:
    """One connection."""

    NO_CONF_FILE = -1
    DEFAULT_CONF_FILES = -2
    fake: RadosFake

    def __init__(self, *, rados_id: str, conffile: str | int) -> None:
        if conffile == "/missing":
            raise FakeOSError(errno.ENOENT, "error calling conf_read_file")
        self.user = rados_id
        self.conffile = conffile
        self.settings = dict[str, str]()
        self.is_shut = False
        self.fake.clients.append(self)

    def conf_set(self, option: str, val: str) -> None:
        if "timeout" in option and not val.isdecimal():
            raise FakeOSError(errno.EINVAL, "error calling conf_set")
        self.settings[option] = val

    def connect(self, timeout: int = 0) -> None:
        if self.fake.refuses_connections:
            raise FakeOSError(self.fake.refuses_connections, "error connecting to the cluster")

    def open_ioctx(self, ioctx_name: str) -> FakeIoctx:
        if ioctx_name not in self.fake.pools:
            raise FakeOSError(errno.ENOENT, f"error opening pool {ioctx_name!r}")
        return FakeIoctx(self.fake, ioctx_name)

    def shutdown(self) -> None:
        self.is_shut = True


class RadosFake:
    """The module `rados`, and the cluster that it speaks to."""

    LIBRADOS_CREATE_EXCLUSIVE = 1
    Error = FakeError
    WriteOpCtx = FakeOperation
    ReadOpCtx = FakeOperation

    def __init__(self) -> None:
        self.pools: dict[str, dict[str, Objects]] = {"images": {}}
        self.faults: list[Fault] = []
        self.full = 0  # the number that writes are refused with
        self.refuses_connections = 0
        self.lasts = -1  # operations until nobody answers any more; -1: for ever
        self.page = 5  # entries that it gives at once, whatever is asked for
        self.clients: list[FakeClient] = []
        self.done: list[tuple[str, str]] = []
        self.Rados: Any = type("Rados", (FakeClient,), {"fake": self})
        self._lock = Lock()

    @property
    def binding(self) -> Binding:
        return cast("Binding", self)

    @property
    def objects(self) -> Objects:
        return self.pools["images"].setdefault("", {})

    def names(self, *kinds: str) -> list[str]:
        """Objects of those kinds, or all but the index's and the layout."""
        own = ("index:", "layout", "generations:")
        found = sorted(self.objects)
        if kinds:
            return [name for name in found if name.startswith(kinds)]
        return [name for name in found if not name.startswith(own)]

    def records(self, kind: str) -> dict[str, bytes]:
        """What is in all the omaps of one kind: `index` or `generations`."""
        return {
            key: value
            for name in self.names(f"{kind}:")
            for key, value in self.objects[name].omap.items()
            if key != "!"
        }

    def options(self, **changes: Any) -> RadosOptions:
        given: dict[str, Any] = {"poolname": "images", "chunksize": 64 * 1024, "indexshards": 3}
        return RadosOptions.model_validate(given | changes)

    @contextmanager
    def doing(self, steps: Sequence[str], name: str) -> Generator[None]:
        """One operation at a time, unless it fails."""
        fault = next((each for each in self.faults if each.hits(steps, name)), None)
        if fault is not None and fault.then is not None:
            fault.then()
        with self._lock:
            if not self.lasts:
                raise FakeOSError(errno.ETIMEDOUT)
            self.lasts -= 1
            if fault is not None and fault.number and not fault.lost:
                raise FakeOSError(fault.number)
            yield
            self.done.append((" ".join(steps), name))
        if fault is not None and fault.lost:
            raise FakeOSError(fault.number)


def _there(objects: Objects, name: str) -> FakeObject:
    if name not in objects:
        raise FakeOSError(errno.ENOENT)
    return objects[name]


def _of(objects: Objects, name: str) -> FakeObject:
    """The object, which a write makes if it is not there."""
    return objects.setdefault(name, FakeObject())


def _weight(objects: Objects) -> tuple[int, int]:
    """What counts towards a quota; omaps do not."""
    return len(objects), sum(len(each.data) for each in objects.values())
