"""Buckets, containers and folders on real servers, made and looked into without our drivers."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree as ET

import httpx2
from tests.services.running import Service

__all__ = [
    "AzureContainer",
    "Bucket",
    "FilesFolder",
    "GcsBucket",
    "OssBucket",
    "RadosNamespace",
    "S3Bucket",
    "SwiftContainer",
    "WebdavFolder",
]


class Bucket(ABC):
    """Where one registry stores; seen by the way of the server's own clients."""

    @abstractmethod
    def make(self) -> None:
        """Make it, empty."""

    @abstractmethod
    def remove(self) -> None:
        """Remove it and all that is in it."""

    @abstractmethod
    def objects(self) -> list[str]:
        """The names of all objects."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """The content of one object."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove one object."""

    def unfinished(self) -> list[str]:
        """What the server keeps of uploads that were neither finished nor given up."""
        return []


class S3Bucket(Bucket):
    """By botocore."""

    def __init__(self, service: Service, name: str) -> None:
        from botocore.config import Config
        from botocore.session import Session

        self.name = name
        session: Any = Session()
        self._s3 = session.create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=service["endpoint"],
            aws_access_key_id=service["accesskey"],
            aws_secret_access_key=service["secretkey"],
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5}),
        )

    def make(self) -> None:
        self._s3.create_bucket(Bucket=self.name)

    def remove(self) -> None:
        for upload in self._listed("list_multipart_uploads", "Uploads"):
            wanted = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
            self._s3.abort_multipart_upload(Bucket=self.name, **wanted)
        keys = self.objects()
        for at in range(0, len(keys), 1000):
            objects = [{"Key": key} for key in keys[at : at + 1000]]
            self._s3.delete_objects(Bucket=self.name, Delete={"Objects": objects, "Quiet": True})
        self._s3.delete_bucket(Bucket=self.name)
        self._s3.close()

    def objects(self) -> list[str]:
        return [str(each["Key"]) for each in self._listed("list_objects_v2", "Contents")]

    def read(self, key: str) -> bytes:
        with self._s3.get_object(Bucket=self.name, Key=key)["Body"] as body:
            return cast("bytes", body.read())

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self.name, Key=key)

    def unfinished(self) -> list[str]:
        return [str(each["Key"]) for each in self._listed("list_multipart_uploads", "Uploads")]

    def _listed(self, operation: str, name: str) -> Iterator[dict[str, Any]]:
        for page in self._s3.get_paginator(operation).paginate(Bucket=self.name):
            yield from page.get(name, [])


class GcsBucket(Bucket):
    """By the JSON API, without credentials."""

    def __init__(self, service: Service, name: str) -> None:
        self.name = name
        self._http = httpx2.Client(base_url=f"{service['endpoint']}/storage/v1/b", timeout=60)

    def make(self) -> None:
        made = self._http.post("", params={"project": "test"}, json={"name": self.name})
        made.raise_for_status()

    def remove(self) -> None:
        for key in self.objects():
            self.delete(key)
        self._http.delete(f"/{self.name}").raise_for_status()
        self._http.close()

    def objects(self) -> list[str]:
        found, token = list[str](), ""
        while True:
            asked = self._http.get(f"/{self.name}/o", params={"pageToken": token} if token else {})
            asked.raise_for_status()
            page = asked.json()
            found += [str(each["name"]) for each in page.get("items", [])]
            token = str(page.get("nextPageToken", ""))
            if not token:
                return found

    def read(self, key: str) -> bytes:
        answer = self._http.get(self._path(key), params={"alt": "media"})
        return answer.raise_for_status().content

    def delete(self, key: str) -> None:
        self._http.delete(self._path(key)).raise_for_status()

    def _path(self, key: str) -> str:
        return f"/{self.name}/o/{quote(key, safe='')}"


class AzureContainer(Bucket):
    """By azure-storage-blob."""

    def __init__(self, service: Service, name: str) -> None:
        from azure.storage.blob import ContainerClient

        self.name = name
        text = service["connectionstring"]
        self._container = ContainerClient.from_connection_string(text, name)

    def make(self) -> None:
        self._container.create_container()

    def remove(self) -> None:
        self._container.delete_container()
        self._container.close()

    def objects(self) -> list[str]:
        return list(self._container.list_blob_names())

    def read(self, key: str) -> bytes:
        return self._container.download_blob(key).readall()

    def delete(self, key: str) -> None:
        self._container.delete_blob(key)

    def unfinished(self) -> list[str]:
        """Blobs that have blocks and were never committed."""
        listed = self._container.list_blobs(include=["uncommittedblobs"])
        return sorted({str(each.name) for each in listed} - set(self.objects()))


class SwiftContainer(Bucket):
    """By plain requests."""

    def __init__(self, service: Service, name: str) -> None:
        from tests.real.drivers.swift_containers import SwiftAccount

        self.name = name
        self._account = SwiftAccount(service)

    def make(self) -> None:
        self._account.make(self.name)

    def remove(self) -> None:
        with self._account:
            self._account.remove(self.name)

    def objects(self) -> list[str]:
        return self._account.names(self.name)

    def read(self, key: str) -> bytes:
        return self._account.call("GET", f"{self.name}/{key}").content

    def delete(self, key: str) -> None:
        self._account.call("DELETE", f"{self.name}/{key}")


class OssBucket(Bucket):
    """By plain requests."""

    def __init__(self, service: Service, name: str) -> None:
        from tests.real.drivers.oss_buckets import OssAccount

        self.name = name
        self._account = OssAccount(service)

    def make(self) -> None:
        self._account.make(self.name)

    def remove(self) -> None:
        with self._account:
            self._account.remove(self.name)

    def objects(self) -> list[str]:
        return self._account.names(self.name)

    def read(self, key: str) -> bytes:
        return self._account.call("GET", self.name, key).content

    def delete(self, key: str) -> None:
        self._account.call("DELETE", self.name, key)

    def unfinished(self) -> list[str]:
        return [key for key, _ in self._account.uploads(self.name)]


class RadosNamespace(Bucket):
    """A namespace of a pool that is there, by librados."""

    def __init__(self, service: Service, name: str) -> None:
        from contextlib import ExitStack

        self.name = name
        self._service = service
        self._closing = ExitStack()

    def make(self) -> None:
        from tests.real.drivers.rados_pools import administrator, namespace

        client = self._closing.enter_context(administrator(self._service))
        opened = namespace(client, self._service["pool"], self.name)
        self._ioctx = self._closing.enter_context(opened)

    def remove(self) -> None:
        self._closing.close()

    def objects(self) -> list[str]:
        from tests.real.drivers.rados_pools import names

        return names(self._ioctx)

    def read(self, key: str) -> bytes:
        return cast("bytes", self._ioctx.read(key, self._ioctx.stat(key)[0]))

    def delete(self, key: str) -> None:
        self._ioctx.remove_object(key)


class FilesFolder(Bucket):
    """A folder of this machine, whoever serves it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self) -> None:
        self.root.mkdir(parents=True)

    def remove(self) -> None:
        shutil.rmtree(self.root)

    def objects(self) -> list[str]:
        files = (path for path in self.root.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.root)) for path in files)

    def read(self, key: str) -> bytes:
        return (self.root / key).read_bytes()

    def delete(self, key: str) -> None:
        (self.root / key).unlink()


class WebdavFolder(Bucket):
    """By HTTP."""

    def __init__(self, service: Service, name: str) -> None:
        login = (service["user"], service["password"])
        self.name = name
        self._http = httpx2.Client(base_url=service["url"], auth=login, timeout=60)

    def make(self) -> None:
        self._http.request("MKCOL", f"/{self.name}/").raise_for_status()

    def remove(self) -> None:
        self._http.delete(f"/{self.name}/").raise_for_status()
        self._http.close()

    def objects(self) -> list[str]:
        asked = {"Depth": "infinity"}
        answer = self._http.request("PROPFIND", f"/{self.name}/", headers=asked)
        paths = [
            unquote(urlsplit(found.text or "").path)
            for found in ET.fromstring(answer.raise_for_status().content).iter("{DAV:}href")
        ]
        above = f"/{self.name}/"
        return sorted(path.removeprefix(above) for path in paths if not path.endswith("/"))

    def read(self, key: str) -> bytes:
        return self._http.get(self._path(key)).raise_for_status().content

    def delete(self, key: str) -> None:
        self._http.delete(self._path(key)).raise_for_status()

    def _path(self, key: str) -> str:
        return f"/{self.name}/{quote(key)}"
