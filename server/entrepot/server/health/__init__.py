"""The checks of the configuration's `health` section, and what they say of the registry.

While one of them fails, the registry answers every request with 503.
"""

from entrepot.server.health.building import checking
from entrepot.server.health.gate import probed
from entrepot.server.health.status import Health

__all__ = ["Health", "checking", "probed"]
