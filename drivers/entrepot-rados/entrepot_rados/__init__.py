"""The driver `rados`: one pool of a Ceph cluster, by librados' own Python binding."""

from entrepot.core import RegisterDriver, hookimpl
from entrepot_rados.opening import INSTALL, open_rados
from entrepot_rados.options import RadosOptions

__all__ = ["RadosOptions", "open_rados", "register_drivers"]


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("rados", open_rados, RadosOptions, needs={"rados": INSTALL})
