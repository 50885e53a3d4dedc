"""Pools and namespaces for the tests of `entrepot-rados`, and its options for them."""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.real.programs import unavailable
from tests.services.running import Service, require_service

if TYPE_CHECKING:
    from entrepot_rados import RadosOptions

_OWN = ("index:", "generations:", "layout")  # what the driver keeps of a store without objects


def require_rados() -> Service:
    """Ceph, and librados' binding; without one of them the test skips, and fails in CI."""
    try:
        importlib.import_module("rados")
    except ImportError as error:
        unavailable(f"{error}: python tests/services/run.py install rgw")
    service = require_service("rgw")
    if "pool" not in service.values:
        unavailable("rgw runs since before it gave a pool: run.py stop rgw, run.py start rgw")
    return service


@contextmanager
def administrator(service: Service) -> Generator[Any, None, None]:
    """A client of the cluster that may do all."""
    rados: Any = importlib.import_module("rados")
    client = rados.Rados(rados_id="admin", conffile=service["configfile"])
    client.conf_set("rados_osd_op_timeout", "30")
    client.connect()
    try:
        yield client
    finally:
        client.shutdown()


@contextmanager
def namespace(client: Any, pool: str, name: str) -> Generator[Any, None, None]:
    """A namespace of a pool; it is emptied in the end."""
    with client.open_ioctx(pool) as ioctx:
        ioctx.set_namespace(name)
        try:
            yield ioctx
        finally:
            for each in list(ioctx.list_objects()):
                ioctx.remove_object(each.key)


def names(ioctx: Any) -> list[str]:
    """All objects, but for the driver's own few that are always there."""
    found = sorted(str(each.key) for each in ioctx.list_objects())
    return [name for name in found if not name.startswith(_OWN)]


@contextmanager
def rados_pool(service: Service, quota: int = 0) -> Generator[str, None, None]:
    """A new pool, which goes with the block; `quota` is in bytes."""
    name = f"real-{uuid.uuid4().hex[:12]}"
    with administrator(service) as client:
        client.create_pool(name)
        try:
            if quota:
                set_quota(client, name, quota)
            yield name
        finally:
            client.delete_pool(name)


def set_quota(client: Any, pool: str, size: int) -> None:
    asked = {"prefix": "osd pool set-quota", "pool": pool, "field": "max_bytes", "val": str(size)}
    number, _, said = client.mon_command(json.dumps(asked), b"")
    assert number == 0, said


def rados_settings(service: Service, pool: str, namespace_name: str) -> dict[str, Any]:
    """The section of a configuration; the user may use pools, and nothing else."""
    named = ("configfile", "keyring", "username")
    settings: dict[str, Any] = {name: service[name] for name in named}
    return settings | {"poolname": pool, "namespace": namespace_name, "timeout": 10}


def rados_options(service: Service, **changes: Any) -> RadosOptions:
    """Options for a namespace of its own."""
    from entrepot_rados import RadosOptions

    given = rados_settings(service, service["pool"], uuid.uuid4().hex)
    return RadosOptions.model_validate(given | changes)
