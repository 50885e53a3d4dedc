"""The vendor's own client over a bucket, for `python` where it is installed: as a program.

    python oss_client.py ENDPOINT REGION ID SECRET BUCKET KEY

Stores standard input under a key, in two parts and with signature 1, then prints the SHA-256 of
every object by its name, as JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import alibabacloud_oss_v2  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]

oss: Any = alibabacloud_oss_v2


def main(endpoint: str, region: str, key_id: str, secret: str, bucket: str, key: str) -> None:
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(key_id, secret)
    config.region, config.endpoint = region, endpoint
    client = oss.Client(config)  # signs by version 4
    config.signature_version = "v1"
    put_in_parts(oss.Client(config), bucket, key, sys.stdin.buffer.read())
    found = dict[str, str]()
    for page in client.list_objects_v2_paginator().iter_page(
        oss.ListObjectsV2Request(bucket=bucket, max_keys=3)
    ):
        listed: list[Any] = page.contents or []
        for each in listed:
            got = client.get_object(oss.GetObjectRequest(bucket=bucket, key=each.key))
            found[each.key] = hashlib.sha256(got.body.read()).hexdigest()
    print(json.dumps(found))


def put_in_parts(client: Any, bucket: str, key: str, content: bytes) -> None:
    begun = client.initiate_multipart_upload(
        oss.InitiateMultipartUploadRequest(bucket=bucket, key=key)
    )
    parts = list[Any]()
    for number, body in enumerate((content[:200_000], content[200_000:]), 1):
        sent = client.upload_part(
            oss.UploadPartRequest(
                bucket=bucket, key=key, upload_id=begun.upload_id, part_number=number, body=body
            )
        )
        parts.append(oss.UploadPart(part_number=number, etag=sent.etag))
    client.complete_multipart_upload(
        oss.CompleteMultipartUploadRequest(
            bucket=bucket,
            key=key,
            upload_id=begun.upload_id,
            complete_multipart_upload=oss.CompleteMultipartUpload(parts=parts),
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
