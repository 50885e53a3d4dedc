"""A container of its own in the running Azurite, made and looked at behind the driver's back."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from tests.services.running import Service

from entrepot.drivers.azure import AzureOptions


def options_for(service: Service, container: str, **more: Any) -> AzureOptions:
    given = {
        "accountname": service["accountname"],
        "accountkey": service["accountkey"],
        "serviceurl": service["serviceurl"],
        "container": container,
    }
    return AzureOptions.model_validate({**given, **more})


@asynccontextmanager
async def new_container(service: Service) -> AsyncGenerator[ContainerClient, None]:
    """An empty container, removed with all that is in it afterwards."""
    client = BlobServiceClient.from_connection_string(service["connectionstring"])
    async with client:
        container = client.get_container_client(f"test-{uuid.uuid4().hex}")
        await container.create_container()
        try:
            yield container
        finally:
            await container.delete_container()
