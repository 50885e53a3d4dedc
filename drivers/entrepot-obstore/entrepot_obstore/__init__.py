"""The driver `obstore`: S3, Azure and Google Cloud Storage through a client written in Rust."""

from entrepot.core import RegisterDriver, hookimpl
from entrepot_obstore.opening import open_obstore
from entrepot_obstore.options import ObstoreOptions

__all__ = ["ObstoreOptions", "open_obstore", "register_drivers"]


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("obstore", open_obstore, ObstoreOptions)
