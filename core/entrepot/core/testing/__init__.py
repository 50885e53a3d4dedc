"""What driver authors test with: a conformance suite, and a driver that fails on cue.

Needs pytest and anyio, which the registry itself does not.
"""

import pytest

# pytest rewrites assertions of test modules and pytest plug-ins only, and skips plug-ins in
# a namespace package; without this the suite's failures would show no values.
pytest.register_assert_rewrite(
    *(
        f"entrepot.core.testing.{module}"
        for module in (
            "material",
            "network_calls",
            "network_interrupting",
            "network_refusing",
            "network_tearing",
            "replica",
            "suite",
            "suite_cancelling",
            "suite_committing",
            "suite_copying",
            "suite_creating",
            "suite_deleting",
            "suite_huge",
            "suite_leaking",
            "suite_processes",
            "suite_reading",
            "suite_scanning",
            "suite_serving",
            "suite_sharing",
            "suite_uploading",
            "suite_writing",
        )
    )
)

from entrepot.core.testing.faults import Fault, FaultyDriver, Hang  # noqa: E402
from entrepot.core.testing.network import NetworkSuite  # noqa: E402
from entrepot.core.testing.network_calls import OpenThrough  # noqa: E402
from entrepot.core.testing.proxy import Failure, FaultProxy, proxying  # noqa: E402
from entrepot.core.testing.suite import DriverSuite, Opening  # noqa: E402

__all__ = [
    "DriverSuite",
    "Failure",
    "Fault",
    "FaultProxy",
    "FaultyDriver",
    "Hang",
    "NetworkSuite",
    "OpenThrough",
    "Opening",
    "proxying",
]
