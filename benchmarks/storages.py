"""Where the registries store: a fresh folder, or a bucket on a storage server of the tests."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.failures import BenchmarkError

__all__ = ["BACKENDS", "FILESYSTEM", "MIB", "SHARED", "Storage", "check", "open_storage"]

MIB = 1 << 20
FILESYSTEM = "filesystem"
BACKENDS = (
    FILESYSTEM,
    *("s3", "s3-ministack", "s3-rgw", "rados", "gcs", "azure", "obstore", "sftp", "webdav"),
    *("swift", "oss"),
)
SHARED = {  # what the peers can store on, too, configured by the same section
    "v3": {FILESYSTEM, "s3", "s3-ministack", "s3-rgw", "azure"},
    "v2": {FILESYSTEM, "s3", "s3-ministack", "s3-rgw", "swift"},
}


@dataclass(frozen=True, slots=True)
class Storage:
    """What one server stores on, empty at first and gone at the end."""

    section: Mapping[str, Any]  # `storage` of the configuration
    forget: Callable[[], None]  # frees what large blobs have taken; nobody asks for them again


def check(name: str) -> None:
    """Raises BenchmarkError: if the backend's server does not run, or its client is missing."""
    if name == FILESYSTEM:
        return
    try:
        from tests.real.backends import SERVERS  # noqa: PLC0415 - needs more than the rest
        from tests.services.running import find_service  # noqa: PLC0415
    except ImportError as error:
        raise BenchmarkError(f"--backend needs what the tests need: {error}") from error
    if find_service(SERVERS[name]) is None:
        start = f"python tests/services/run.py start {SERVERS[name]}"
        raise BenchmarkError(f"{SERVERS[name]} does not run: {start}")


@contextmanager
def open_storage(name: str, root: Path) -> Generator[Storage, None, None]:
    """A fresh one: below `root`, or in a bucket of its own that goes with the block."""
    if name == FILESYSTEM:
        yield Storage({FILESYSTEM: {"rootdirectory": str(root)}}, lambda: _remove_large(root))
        return
    from tests.real.backends import SERVERS, open_backend  # noqa: PLC0415 - as above

    with _talking(SERVERS[name]), open_backend(name) as backend:

        def forget() -> None:
            for key in backend.bucket.objects():
                if key.startswith("chunk:") or ("/blobs/" in key and key.endswith("/data")):
                    backend.bucket.delete(key)

        section: dict[str, Any] = {backend.driver: dict(backend.options)}
        yield Storage({**section, "redirect": {"disable": True}}, forget)


@contextmanager
def _talking(server: str) -> Generator[None, None, None]:
    """Tell plainly of a storage server that went away; its clients fail in many ways."""
    from tests.services.running import find_service  # noqa: PLC0415 - as above

    try:
        yield
    except Exception as error:
        if find_service(server) is None:
            raise BenchmarkError(f"{server} ended; its log says why") from error
        raise


def _remove_large(root: Path) -> None:
    for file in list(root.rglob("*")):
        if file.is_file() and file.stat().st_size >= MIB:
            file.unlink()
