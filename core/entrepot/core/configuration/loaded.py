"""What loading gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from entrepot.core.configuration.model import Configuration


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, what should be said about it, and where each value came from.

    `origins` has the dotted path of every value in effect; its places read
    `file config.yml line 7`, `environment REGISTRY_HTTP_ADDR` or `default`.
    """

    configuration: Configuration
    notes: tuple[str, ...]
    origins: Mapping[str, str]
