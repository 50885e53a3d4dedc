"""What is used of librados' Python binding, which has no types of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class WriteOp(Protocol):
    """Steps that are carried out on one object, all or none."""

    def new(self, exclusive: int | None = None) -> None: ...
    def omap_cmp(self, key: str, val: str, cmp_op: int = ...) -> None: ...
    def write_full(self, to_write: bytes) -> None: ...
    def write(self, to_write: bytes, offset: int = 0) -> None: ...
    def remove(self) -> None: ...


class ReadOp(Protocol):
    """The same of questions."""


class ObjectName(Protocol):
    @property
    def key(self) -> str: ...


class Ioctx(Protocol):
    """One pool and namespace."""

    def set_namespace(self, nspace: str) -> None: ...
    def read(self, key: str, length: int = ..., offset: int = 0) -> bytes: ...
    def stat(self, key: str) -> tuple[int, Any]: ...
    def operate_write_op(
        self, write_op: WriteOp, oid: str, mtime: int = 0, flags: int = 0
    ) -> None: ...
    def operate_read_op(self, read_op: ReadOp, oid: str, flag: int = 0) -> None: ...
    def set_omap(self, write_op: WriteOp, keys: Sequence[str], values: Sequence[bytes]) -> None: ...
    def remove_omap_keys(self, write_op: WriteOp, keys: Sequence[str]) -> None: ...
    def get_omap_vals(
        self, read_op: ReadOp, start_after: str, filter_prefix: str, max_return: int
    ) -> tuple[Iterable[tuple[str, bytes | None]], int]: ...
    def get_omap_vals_by_keys(
        self, read_op: ReadOp, keys: Sequence[str]
    ) -> tuple[Iterable[tuple[str, bytes | None]], int]: ...
    def list_objects(self) -> Iterator[ObjectName]: ...
    def close(self) -> None: ...


class Rados(Protocol):
    """One client of a cluster."""

    def conf_set(self, option: str, val: str) -> None: ...
    def connect(self, timeout: int = 0) -> None: ...
    def open_ioctx(self, ioctx_name: str) -> Ioctx: ...
    def shutdown(self) -> None: ...


class MakeRados(Protocol):
    NO_CONF_FILE: int
    DEFAULT_CONF_FILES: int

    def __call__(self, *, rados_id: str, conffile: str | int) -> Rados: ...


class Binding(Protocol):
    """The module `rados`."""

    LIBRADOS_CREATE_EXCLUSIVE: int

    @property
    def Rados(self) -> MakeRados: ...  # noqa: N802 - its name there
    @property
    def Error(self) -> type[Exception]: ...  # noqa: N802
    def WriteOpCtx(self) -> AbstractContextManager[WriteOp]: ...  # noqa: N802
    def ReadOpCtx(self) -> AbstractContextManager[ReadOp]: ...  # noqa: N802
