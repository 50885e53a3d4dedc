"""The driver `swift`: OpenStack Swift, with the parameters and the layout of Distribution 2."""

from entrepot.core import RegisterDriver, hookimpl
from entrepot_swift.opening import open_swift
from entrepot_swift.options import SwiftOptions

__all__ = ["SwiftOptions", "open_swift", "register_drivers"]


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("swift", open_swift, SwiftOptions)
