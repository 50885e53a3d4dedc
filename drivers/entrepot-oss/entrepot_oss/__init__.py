"""The driver `oss`: Alibaba Cloud OSS, with the parameters and the layout of Distribution 2."""

from entrepot.core import RegisterDriver, hookimpl
from entrepot_oss.opening import open_oss
from entrepot_oss.options import OssOptions

__all__ = ["OssOptions", "open_oss", "register_drivers"]


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("oss", open_oss, OssOptions, label="experimental")
