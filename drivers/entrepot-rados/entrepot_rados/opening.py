"""From options to an open driver over a pool that is there."""

from __future__ import annotations

import errno
import importlib
import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import cast

from entrepot.core import AccessError, Driver, UnavailableError
from entrepot.core.threads import Threads
from entrepot_rados.binding import Binding, Ioctx, Rados
from entrepot_rados.driver import RadosDriver
from entrepot_rados.errors import translating
from entrepot_rados.index import Index, Layout
from entrepot_rados.objects import Change, Objects, telling
from entrepot_rados.options import RadosOptions
from entrepot_rados.places import LAYOUT
from entrepot_rados.store import Store

INSTALL = (
    "apt install python3-rados, which is for the system's Python, and make it visible here; "
    "the README of entrepot-rados says how"
)


@asynccontextmanager
async def open_rados(options: RadosOptions, /) -> AsyncGenerator[Driver, None]:
    """A driver over the pool of `options`, which must be there.

    Raises AccessError: for credentials that are refused, a pool that is not there, or librados'
    binding missing; UnavailableError: if nobody answers in time.
    """
    async with opened(options, imported()) as driver:
        yield driver


@asynccontextmanager
async def opened(options: RadosOptions, binding: Binding) -> AsyncGenerator[RadosDriver, None]:
    """The same with a binding that is given."""
    threads = Threads(options.threads, "rados")
    connection = connected(options, binding)
    try:
        store = await threads.obtain(
            lambda _: connection.__exit__(None, None, None), connection.__enter__
        )
        try:
            yield RadosDriver(threads, store, options.chunksize)
        finally:
            await threads.run(connection.__exit__, None, None, None)
    finally:
        threads.close()


def imported() -> Binding:
    """Raises AccessError: with what to install, if it is not here."""
    try:
        return cast("Binding", importlib.import_module("rados"))
    except ImportError as error:
        reason = f"librados' Python binding cannot be imported ({error}): {INSTALL}"
        raise AccessError("", reason) from error


@contextmanager
def connected(options: RadosOptions, binding: Binding) -> Generator[Store, None, None]:
    """Blocking: the store of a pool, as long as the block lasts."""
    cluster = _configured(options, binding)
    try:
        _connect(cluster, options, binding)
        ioctx = _pool(cluster, options, binding)
        try:
            with translating(""):
                store = _store(Objects(binding, ioctx), options)
            yield store
        finally:
            ioctx.close()
    finally:
        cluster.shutdown()


def _configured(options: RadosOptions, binding: Binding) -> Rados:
    kind = binding.Rados
    default = kind.NO_CONF_FILE if options.monitors else kind.DEFAULT_CONF_FILES
    settings = {
        "rados_osd_op_timeout": str(options.timeout),
        "rados_mon_op_timeout": str(options.monitortimeout),
        "client_mount_timeout": str(options.connecttimeout),
        "log_to_stderr": "false",
        "err_to_stderr": "false",
        "log_file": "",
    }
    settings |= {"mon_host": options.monitors} if options.monitors else {}
    settings |= {"keyring": options.keyring} if options.keyring else {}
    secret = options.key.get_secret_value()
    settings |= {"key": secret, "keyring": ""} if secret else {}
    try:
        with telling(binding):
            cluster = kind(rados_id=options.username, conffile=options.configfile or default)
            for name, value in settings.items():
                cluster.conf_set(name, value)
    except OSError as error:
        where = options.configfile or "ceph.conf"
        reason = f"{where} cannot be read or a setting is wrong: {error.strerror}"
        raise AccessError("", reason) from None
    return cluster


_REFUSED = {
    errno.EACCES: "refuses the key of",
    errno.EPERM: "refuses the key of",
    errno.EINVAL: "cannot use the key of",
    errno.ENOENT: "does not know, or no keyring was found with a key of,",
}


def _connect(cluster: Rados, options: RadosOptions, binding: Binding) -> None:
    try:
        with telling(binding):
            cluster.connect()
    except OSError as error:
        who = f"client.{options.username}"
        if error.errno in _REFUSED:
            reason = f"the cluster {_REFUSED[error.errno]} {who!r}: see `username` and `keyring`"
            raise AccessError("", reason) from None
        where = options.monitors or options.configfile or "ceph.conf"
        reason = f"no monitor of {where} answers as it should: {error.strerror}"
        raise UnavailableError("", reason) from None


def _pool(cluster: Rados, options: RadosOptions, binding: Binding) -> Ioctx:
    try:
        with telling(binding):
            ioctx = cluster.open_ioctx(options.poolname)
            ioctx.set_namespace(options.namespace)
            return ioctx
    except FileNotFoundError:
        name = options.poolname
        reason = f"there is no pool {name!r}; `ceph osd pool create {name}` makes one"
        raise AccessError("", reason) from None


def _store(objects: Objects, options: RadosOptions) -> Store:
    """With the layout that the pool has, or gets now."""
    layout = found_layout(objects)
    if layout is None:
        layout = Layout(0, options.indexshards)
        Index(objects, layout).make()
        said = json.dumps({"entrepot": 1, "epoch": layout.epoch, "shards": layout.shards})
        try:
            objects.change(LAYOUT, Change(create=True, content=said.encode()))
        except FileExistsError:
            layout = found_layout(objects) or layout
    return Store(objects, Index(objects, layout))


def found_layout(objects: Objects) -> Layout | None:
    """Raises AccessError: if there is an object of that name which is something else."""
    try:
        said = json.loads(objects.read(LAYOUT, 1000))
        return Layout(said["epoch"], said["shards"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        reason = f"the object {LAYOUT!r} in the pool is another program's; set a `namespace`"
        raise AccessError("", reason) from None
