"""The `storage` section: one driver, and what holds for every driver."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ConfigDict, Field, field_validator

from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.model_base import NetworkText, Parameters, Section
from entrepot.core.configuration.tree import Table, plain
from entrepot.core.globs import Glob


class UploadPurging(Section):
    """Removal of uploads that nobody goes on with."""

    enabled: bool = True
    """Purge."""
    age: Duration = Duration.parse("168h")
    """How old an upload must be."""
    interval: Duration = Duration.parse("24h")
    """Time between two runs."""
    dryrun: bool = False
    """Log what would be removed, remove nothing."""

    @field_validator("age", "interval")
    @classmethod
    def _some_time(cls, duration: Duration) -> Duration:
        if duration.nanoseconds <= 0:
            raise ValueError("more than 0 is wanted; write it like 24h")
        return duration


class ReadOnly(Section):
    """Serving without taking anything."""

    enabled: bool = False
    """Refuse pushes and deletions."""


class Retention(Section):
    """Removal of tags that expire by the rules of `policy.tags`."""

    enabled: bool = True
    """Remove them, if any rule lets tags expire."""
    interval: Duration = Duration.parse("24h")
    """Time between two runs."""
    dryrun: bool = False
    """Log what would be removed, remove nothing."""

    @field_validator("interval")
    @classmethod
    def _some_time(cls, duration: Duration) -> Duration:
        if duration.nanoseconds <= 0:
            raise ValueError("more than 0 is wanted; write it like 24h")
        return duration


class UntaggedManifests(Section):
    """Which manifests without a tag may be deleted; without any rule, all."""

    keeplast: int = Field(default=0, ge=0)
    """So many of the newest of each repository stay."""
    olderthan: Duration = Duration.parse("0s")
    """How old they must be."""
    repositories: tuple[str, ...] = ()
    """Patterns: only in repositories that match one."""
    exceptrepositories: tuple[str, ...] = ()
    """Patterns: not in repositories that match one."""
    artifacttypes: tuple[str, ...] = ()
    """Patterns like `application/vnd.cncf.*`: only those whose artifact type matches one."""
    exceptartifacttypes: tuple[str, ...] = ()
    """Patterns: those whose artifact type matches one stay."""

    @field_validator("repositories", "exceptrepositories")
    @classmethod
    def _patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                found = Glob.parse(pattern)
            except ValueError as error:
                raise ValueError(f"{pattern!r}: {error}") from None
            if found.names_user:
                raise ValueError(f"{pattern!r}: there is no user here")
        return patterns


class GarbageCollect(Section):
    """Deletion of content that nothing leads to."""

    enabled: bool = False
    """Collect."""
    interval: Duration = Duration.parse("24h")
    """Time between two collections."""
    grace: Duration = Duration.parse("24h")
    """What was written later than that before a collection stays."""
    wait: Duration = Duration.parse("1h")
    """Time in which what is to be deleted can be taken back; 90 seconds at least."""
    deleteuntagged: bool = False
    """Delete manifests, too, that no tag leads to."""
    untagged: UntaggedManifests = UntaggedManifests()
    """Which of them."""

    @field_validator("interval")
    @classmethod
    def _some_time(cls, duration: Duration) -> Duration:
        if duration.nanoseconds <= 0:
            raise ValueError("more than 0 is wanted; write it like 24h")
        return duration


class Maintenance(Section):
    """What is done beside serving."""

    uploadpurging: UploadPurging = UploadPurging()
    """Removal of uploads that nobody goes on with."""
    retention: Retention = Retention()
    """Removal of tags that expire by the rules of `policy.tags`."""
    garbagecollect: GarbageCollect = GarbageCollect()
    """Deletion of content that nothing leads to."""
    readonly: ReadOnly = ReadOnly()
    """Serving without taking anything."""


class Cache(Section):
    """What is remembered of immutable content."""

    blobdescriptor: str = ""
    """Where: `inmemory`, `redis` or nowhere."""
    blobdescriptorsize: int = 10_000
    """Entries of the cache in memory; 0 or less for any number."""
    layerinfo: str = ""
    """Deprecated: the old name of `blobdescriptor`."""


class Redirect(Section):
    """Sending clients to the backend's own URLs."""

    disable: bool = False
    """Stream everything through the registry."""
    networks: tuple[NetworkText, ...] = ()
    """Networks of the clients that are sent there; all are if none is given."""
    exceptnetworks: tuple[NetworkText, ...] = ()
    """Networks of clients for which everything is streamed."""


class Delete(Section):
    """Deletion by clients."""

    enabled: bool = False
    """Allow it."""
    tags: bool | None = None
    """Allow it of tags; left out: as `enabled` says."""
    manifests: bool | None = None
    """Allow it of manifests, with the tags that point to them; left out: as `enabled` says."""
    blobs: bool | None = None
    """Allow it of blobs; left out: as `enabled` says."""


class TagLookup(Section):
    """Looking tags up, many at once."""

    concurrencylimit: int = Field(default=0, ge=0)
    """Lookups at a time; 0: as many as there are processors."""


class Storage(Section):
    """One driver, and what holds for every driver.

    Keys that are no settings are names of drivers; a loaded configuration has exactly one.
    """

    model_config = ConfigDict(extra="allow")
    plugged: ClassVar[str] = "driver"
    __pydantic_extra__: dict[str, Parameters] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    maintenance: Maintenance = Maintenance()
    """What is done beside serving."""
    cache: Cache = Cache()
    """What is remembered of immutable content."""
    redirect: Redirect = Redirect()
    """Sending clients to the backend's own URLs."""
    delete: Delete = Delete()
    """Deletion by clients."""
    tag: TagLookup = TagLookup()
    """Looking tags up."""

    @property
    def driver(self) -> str:
        """The name of the driver; "" if there is none."""
        return next(iter(self.__pydantic_extra__), "")

    @property
    def written(self) -> Table:
        """The driver's parameters as written, for its options model to read."""
        return self.__pydantic_extra__.get(self.driver, Table(""))

    @property
    def parameters(self) -> dict[str, Any]:
        """The driver's parameters as YAML values, unchecked."""
        values: dict[str, Any] = plain(self.written)
        return values
