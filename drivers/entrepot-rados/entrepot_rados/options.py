"""What a configuration may say about RADOS: Distribution's parameters, and how to connect."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from entrepot.core import DriverOptions

MIB = 1024 * 1024


class RadosOptions(DriverOptions):
    """The pool and how to get into it, and how requests are sent."""

    poolname: str = Field(min_length=1, description="Pool that holds everything; it must be there.")
    username: str = Field(
        default="admin", min_length=1, description="Ceph user, without `client.` before it."
    )
    chunksize: int = Field(
        default=4 * MIB,
        ge=64 * 1024,
        le=64 * MIB,
        description="Bytes of a chunk. What is larger than 1 MiB is stored in chunks; each "
        "transfer into the store holds five of them in memory at most.",
    )
    configfile: str = Field(
        default="",
        description="Path of `ceph.conf`. By default librados looks for it, in `/etc/ceph` and "
        "elsewhere, unless `monitors` are given.",
    )
    monitors: str = Field(
        default="", description="Addresses of the monitors, instead of those in `ceph.conf`."
    )
    keyring: str = Field(
        default="", description="File with the user's key. By default as in `ceph.conf`."
    )
    key: SecretStr = Field(
        default=SecretStr(""), description="The user's key itself, instead of a keyring."
    )
    namespace: str = Field(
        default="", description="Namespace in the pool: several registries may share a pool."
    )
    indexshards: int = Field(
        default=16,
        ge=1,
        le=256,
        description="Objects that the list of keys is spread over, from the first start on; "
        "`entrepot-rados reindex --shards` changes it later.",
    )
    timeout: int = Field(
        default=30, ge=1, description="Seconds after which an operation in the pool fails."
    )
    monitortimeout: int = Field(
        default=10, ge=1, description="Seconds after which a question to the monitors fails."
    )
    connecttimeout: int = Field(
        default=10, ge=1, description="Seconds within which the cluster must be reached at first."
    )
    threads: int = Field(
        default=32, ge=1, le=1024, description="Operations that may run at a time in one process."
    )

    @field_validator("username")
    @classmethod
    def _is_id(cls, name: str) -> str:
        return name.removeprefix("client.")
