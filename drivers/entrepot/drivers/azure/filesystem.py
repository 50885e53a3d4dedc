"""adlfs's filesystem of a client that is given."""

from __future__ import annotations

from typing import Any

import fsspec.asyn
from adlfs import AzureBlobFileSystem

from azure.core.credentials_async import AsyncTokenCredential
from azure.storage.blob.aio import BlobServiceClient

_AzureBlobFileSystem: Any = AzureBlobFileSystem  # adlfs has no types


class ClientFileSystem(_AzureBlobFileSystem):  # type: ignore[misc]  # as above
    """Holds the service's client, which is configured here and by nothing else.

    adlfs by itself prefers AZURE_STORAGE_* variables to what it is told, and its client can be
    given neither a URL nor limits. Of its operations the driver uses none: they do not create
    exclusively, wait for copies, or tell versions apart.
    """

    def __init__(self, client: BlobServiceClient, credential: AsyncTokenCredential | None) -> None:
        self._given = client
        settings: dict[str, Any] = {
            "account_name": client.account_name,
            "credential": credential,
            "anon": credential is None,
            "asynchronous": True,
            "skip_instance_cache": True,
            "use_listings_cache": False,
        }
        _AzureBlobFileSystem.__init__(self, **settings)

    def do_connect(self) -> None:
        self.service_client = self._given

    @property
    def loop(self) -> Any:
        """fsspec's own, where there is none: what adlfs does at exit needs one."""
        return self._loop or fsspec.asyn.get_loop()
