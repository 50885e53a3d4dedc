"""The whole error vocabulary: what the protocol says, what a store says, what a plug-in did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from entrepot.core.lines import one_line


class RegistryError(Exception):
    """Anything this registry reports to a person or a client."""


class ProtocolError(RegistryError):
    """An answer of the distribution specification's error table.

    `code` is the specification's; `detail` is any JSON value, shown to the client.
    Source: distribution-spec 1.1, "Error Codes".
    """

    code: ClassVar[str] = "UNKNOWN"

    def __init__(self, message: str, *, detail: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class BlobUnknownError(ProtocolError):
    code = "BLOB_UNKNOWN"


class BlobUploadUnknownError(ProtocolError):
    code = "BLOB_UPLOAD_UNKNOWN"


class DigestInvalidError(ProtocolError):
    code = "DIGEST_INVALID"


class ManifestBlobUnknownError(ProtocolError):
    """A manifest names content its repository does not hold; `missing` are those digests."""

    code = "MANIFEST_BLOB_UNKNOWN"

    def __init__(self, message: str, *, missing: tuple[str, ...]) -> None:
        super().__init__(message, detail=list(missing))
        self.missing = missing


class ManifestInvalidError(ProtocolError):
    code = "MANIFEST_INVALID"


class ManifestTooLargeError(ProtocolError):
    """The specification asks for 413 here, hence a class of its own."""

    code = "MANIFEST_INVALID"


class ManifestUnknownError(ProtocolError):
    code = "MANIFEST_UNKNOWN"


class NameInvalidError(ProtocolError):
    code = "NAME_INVALID"


class NameUnknownError(ProtocolError):
    code = "NAME_UNKNOWN"


class PaginationNumberInvalidError(ProtocolError):
    code = "PAGINATION_NUMBER_INVALID"


class RangeInvalidError(ProtocolError):
    """A chunk does not begin where the upload ends; `size` is that place, in bytes."""

    code = "RANGE_INVALID"

    def __init__(self, message: str, *, size: int) -> None:
        super().__init__(message, detail={"size": size})
        self.size = size


class SizeInvalidError(ProtocolError):
    code = "SIZE_INVALID"


class TagInvalidError(ProtocolError):
    code = "TAG_INVALID"


class UnsupportedError(ProtocolError):
    code = "UNSUPPORTED"


class StorageError(RegistryError):
    """What a driver raises. `driver` is stamped by the guard, `key` names the object."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key = key
        self.reason = reason
        self.driver = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.driver or "storage", self.key, self.reason) if part)


class NotFoundError(StorageError):
    """No such object, and the backend said so."""

    def __init__(self, key: str, reason: str = "no such object") -> None:
        super().__init__(key, reason)


class ExistsError(StorageError):
    """A write with `create` found an object there."""

    def __init__(self, key: str, reason: str = "object exists already") -> None:
        super().__init__(key, reason)


class OffsetError(StorageError):
    """An append or commit names another size than the upload has, or another one is under way."""


class KeyInvalidError(StorageError):
    """A key that no store is asked about: empty, absolute, dotted or with odd characters."""


class AccessError(StorageError):
    """The backend refuses: permissions, credentials, a read-only mount."""


class FullError(StorageError):
    """No space or quota left."""


class UnavailableError(StorageError):
    """The backend does not answer properly now; `retry_after` is in seconds."""

    def __init__(self, key: str, reason: str, *, retry_after: float = 1.0) -> None:
        super().__init__(key, reason)
        self.retry_after = retry_after


class DeleteError(StorageError):
    """Some keys of a `delete` are still there; `failures` says why for each of them."""

    def __init__(self, failures: Mapping[str, StorageError]) -> None:
        first = next(iter(failures.values()))
        super().__init__(first.key, f"{first.reason} ({len(failures)} keys not deleted)")
        self.failures = dict(failures)


class PluginError(RegistryError):
    """A plug-in broke a rule; `plugin` is its name."""

    def __init__(self, plugin: str, reason: str) -> None:
        super().__init__(f"plug-in {plugin!r}: {reason}")
        self.plugin = plugin


class ConfigurationError(RegistryError):
    """One or more mistakes in the configuration, each with its path in the file."""

    def __init__(self, *mistakes: str) -> None:
        self.mistakes = tuple(map(one_line, mistakes))
        super().__init__("\n".join(self.mistakes))
