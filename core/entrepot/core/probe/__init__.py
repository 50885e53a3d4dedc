"""A live probe: does this store, through this driver, keep what the contract promises?"""

from entrepot.core.probe.bounds import HungError, Instance, bounded
from entrepot.core.probe.findings import Finding, Result
from entrepot.core.probe.running import CHECKS, Report, probe

__all__ = ["CHECKS", "Finding", "HungError", "Instance", "Report", "Result", "bounded", "probe"]
