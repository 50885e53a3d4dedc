"""The parameters of the fsspec driver."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from entrepot.core import DriverOptions
from entrepot.core.configuration.model_base import Secret
from entrepot.drivers.fsspec.unsuitable import reason_against


class FsspecOptions(DriverOptions):
    """Parameters of the fsspec driver."""

    url: str = Field(
        min_length=1,
        description="Where data lies: any URL that fsspec knows, like `sftp://host/srv/registry`.",
    )
    options: Annotated[dict[str, Any], Secret()] = Field(
        default_factory=dict[str, Any],
        description="What the filesystem is made with, under its own names; never shown.",
    )
    threads: int = Field(
        default=16,
        ge=1,
        le=256,
        description="Blocking operations at a time, for filesystems that are not asynchronous.",
    )
    timeout: float = Field(
        default=30,
        gt=0,
        le=3600,
        description="Seconds that opening, and a single request of it, may take.",
    )
    probe: bool = Field(
        default=True,
        description="Try the filesystem out with small temporary files when opening. False: for "
        "a store that may only be read.",
    )

    @field_validator("url")
    @classmethod
    def _suitable(cls, url: str) -> str:
        if reason := reason_against(url):
            raise ValueError(reason)
        return url
