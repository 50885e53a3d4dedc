"""Buckets of the S3 servers, made and emptied behind the driver's back."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from tests.services.running import Service

from entrepot.drivers.s3 import S3Options

SERVERS = ("seaweedfs", "ministack", "moto", "rgw")


def sdk(service: Service) -> Any:
    """Another client than the driver's."""
    session: Any = import_module("botocore.session").get_session()
    config: Any = import_module("botocore.config")
    return session.create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=service["endpoint"],
        aws_access_key_id=service["accesskey"],
        aws_secret_access_key=service["secretkey"],
        config=config.Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextmanager
def new_bucket(service: Service) -> Generator[str, None, None]:
    """A bucket that is gone afterwards, with all that is in it."""
    client = sdk(service)
    bucket = f"entrepot-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=bucket)
    try:
        yield bucket
    finally:
        end_multipart_uploads(service, bucket)
        while found := client.list_objects_v2(Bucket=bucket).get("Contents"):
            for one in found:
                client.delete_object(Bucket=bucket, Key=one["Key"])
        client.delete_bucket(Bucket=bucket)
        client.close()


def end_multipart_uploads(service: Service, bucket: str) -> list[str]:
    """Abort the multipart uploads that nobody ended; their keys."""
    client = sdk(service)
    found = client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    for upload in found:
        client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    client.close()
    return [upload["Key"] for upload in found]


def options_for(service: Service, bucket: str, **more: Any) -> S3Options:
    given = {
        "bucket": bucket,
        "regionendpoint": service["endpoint"],
        "accesskey": service["accesskey"],
        "secretkey": service["secretkey"],
    }
    return S3Options.model_validate(given | more)
