"""What a `gcs` section of the configuration may contain."""

from __future__ import annotations

import os
import re
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from entrepot.core import DriverOptions
from entrepot.core.configuration.durations import Duration

KIB = 1024
_STEP = 256 * KIB  # of a chunk of a resumable upload, by Google's rules
_MOST = 256 * KIB * KIB  # bytes of a chunk; more is memory for nothing
_FEWEST_CALLS = 25  # Distribution raises a lower number, too
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_EMULATOR = "STORAGE_EMULATOR_HOST"


class GcsOptions(DriverOptions):
    """Parameters of the gcs driver. Without credentials, the environment's are used."""

    bucket: str = Field(description="The bucket. It has to exist.")
    keyfile: str = Field(
        default="", description="Path of a service account's key, or of another credentials file."
    )
    credentials: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        repr=False,
        description="The content of a credentials file, instead of `keyfile`.",
    )
    anonymous: bool = Field(
        default=False, description="Send no credentials: for emulators and public buckets."
    )
    rootdirectory: str = Field(default="", description="What all object names begin with.")
    chunksize: int = Field(
        default=16 * KIB * KIB,
        ge=_STEP,
        le=_MOST,
        description="Bytes that a transfer holds in memory: a multiple of 262144.",
    )
    maxconcurrency: int = Field(
        default=50, ge=0, description="Requests to the bucket at a time; 25 at least."
    )
    useragent: str = Field(default="entrepot", description="Sent with every request.")
    endpoint: str = Field(
        default="",
        description="Scheme and host of another endpoint than Google's public one. By default "
        f"what the variable {_EMULATOR} names, then without credentials.",
    )
    redirectendpoint: str = Field(
        default="",
        description="Scheme and host in signed links; by default those of the endpoint.",
    )
    timeout: Duration = Field(
        default=Duration.parse("30s"),
        description="How long one try of a request waits for an answer; no further try begins "
        "when twice that is over. Sending a chunk, and copying, may take two minutes.",
    )

    @field_validator("bucket")
    @classmethod
    def _is_bucket(cls, bucket: str) -> str:
        if _BUCKET.fullmatch(bucket) is None:
            raise ValueError("no bucket has such a name; give the name alone, without gs://")
        return bucket

    @field_validator("chunksize")
    @classmethod
    def _is_aligned(cls, size: int) -> int:
        if size % _STEP:
            raise ValueError(f"must be a multiple of {_STEP} (256 KiB), for example 16777216")
        return size

    @field_validator("timeout")
    @classmethod
    def _some_time(cls, timeout: Duration) -> Duration:
        if timeout.nanoseconds <= 0:
            raise ValueError("wanted is some time, like 30s")
        return timeout

    @field_validator("maxconcurrency")
    @classmethod
    def _enough(cls, calls: int) -> int:
        return max(calls, _FEWEST_CALLS)

    @field_validator("endpoint", "redirectendpoint")
    @classmethod
    def _is_origin(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("must be scheme and host, for example https://storage.googleapis.com")
        if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("must be scheme and host alone, without user, path and query")
        return url.rstrip("/")

    @field_validator("useragent")
    @classmethod
    def _is_header(cls, text: str) -> str:
        if not text.isascii() or not text.isprintable():
            raise ValueError("must be printable ASCII")
        return text

    @model_validator(mode="after")
    def _agree(self) -> Self:
        given = [name for name in ("keyfile", "credentials", "anonymous") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other: keep one of them")
        return self

    @property
    def root(self) -> str:
        """What all object names begin with: empty, or ending with a slash."""
        root = self.rootdirectory.strip("/")
        return f"{root}/" if root else ""

    @property
    def emulator(self) -> str:
        """The emulator that the environment names, where the options say nothing else."""
        host = os.environ.get(_EMULATOR, "")
        if self.endpoint or not host:
            return ""
        return (host if "://" in host else f"http://{host}").rstrip("/")

    @property
    def sends_credentials(self) -> bool:
        """Whether requests are signed in; an emulator knows no credentials but those given."""
        return not self.anonymous and bool(self.keyfile or self.credentials or not self.emulator)
