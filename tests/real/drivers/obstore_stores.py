"""Buckets and containers for the tests of `entrepot-obstore`, and its options for them."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import botocore.session
from azure.storage.blob import BlobServiceClient
from botocore.config import Config
from tests.services.running import Service

from entrepot_obstore import ObstoreOptions
from entrepot_obstore.options import Settings


def s3_client(service: Service) -> Any:
    """A client of the server that is not the driver under test."""
    session = cast("Any", botocore.session).get_session()
    return session.create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=service["endpoint"],
        aws_access_key_id=service["accesskey"],
        aws_secret_access_key=service["secretkey"],
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 3}),
    )


def s3_config(service: Service) -> Settings:
    return {
        "endpoint": service["endpoint"],
        "access_key_id": service["accesskey"],
        "secret_access_key": service["secretkey"],
    }


@contextmanager
def s3_bucket(service: Service) -> Generator[str, None, None]:
    """A new bucket, removed with whatever is in it."""
    client = s3_client(service)
    name = f"obstore-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    try:
        yield name
    finally:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            for found in page.get("Contents", ()):
                client.delete_object(Bucket=name, Key=found["Key"])
        for left in client.list_multipart_uploads(Bucket=name).get("Uploads", ()):
            client.abort_multipart_upload(Bucket=name, Key=left["Key"], UploadId=left["UploadId"])
        client.delete_bucket(Bucket=name)
        client.close()


def s3_options(service: Service, bucket: str, **changes: Any) -> ObstoreOptions:
    """Options for a folder of its own: SeaweedFS takes no object where a folder was before."""
    config = s3_config(service) | changes.pop("config", {})
    return ObstoreOptions(url=f"s3://{bucket}/some/{uuid.uuid4().hex}", config=config, **changes)


@contextmanager
def azure_container(service: Service) -> Generator[str, None, None]:
    """A new container, removed with whatever is in it."""
    name = f"obstore-{uuid.uuid4().hex[:12]}"
    with BlobServiceClient.from_connection_string(service["connectionstring"]) as found:
        client = cast("Any", found)
        client.create_container(name)
        try:
            yield name
        finally:
            client.delete_container(name)


def azure_options(service: Service, container: str, **changes: Any) -> ObstoreOptions:
    config: Settings = {
        "account_name": service["accountname"],
        "account_key": service["accountkey"],
        "endpoint": service["serviceurl"],
    }
    config |= changes.pop("config", {})
    return ObstoreOptions(url=f"az://{container}/some/{uuid.uuid4().hex}", config=config, **changes)
