"""Containers for the tests of `entrepot-swift`, and its options for them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Self, cast
from urllib.parse import quote

import httpx2
from tests.services.running import Service

from entrepot_swift import SwiftOptions


class SwiftAccount:
    """A client of the server that is not the driver under test."""

    def __init__(self, service: Service) -> None:
        named = {"X-Auth-User": service["user"], "X-Auth-Key": service["key"]}
        said = httpx2.get(service["authurl"], headers=named).raise_for_status()
        self.url = said.headers["X-Storage-Url"]
        self._client = httpx2.Client(
            headers={"X-Auth-Token": said.headers["X-Auth-Token"]}, timeout=60
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        """One request below the account, which must not be refused."""
        answer = self._client.request(method, f"{self.url}/{quote(path)}", **arguments)
        return answer.raise_for_status()

    def names(self, container: str, prefix: str = "") -> list[str]:
        """All objects of a container."""
        found = list[str]()
        while True:
            marker = found[-1] if found else ""
            query = {"format": "json", "prefix": prefix, "marker": marker}
            page = cast(
                "list[dict[str, Any]]", json.loads(self.call("GET", container, params=query).text)
            )
            if not page:
                return found
            found += [each["name"] for each in page]

    def make(self, container: str) -> None:
        self.call("PUT", container)

    def remove(self, container: str) -> None:
        """The container with whatever is in it."""
        names = self.names(container)
        for at in range(0, len(names), 1000):
            body = "".join(f"/{container}/{quote(name)}\n" for name in names[at : at + 1000])
            self.call(
                "POST",
                "",
                params={"bulk-delete": ""},
                content=body,
                headers={"Content-Type": "text/plain"},
            )
        self.call("DELETE", container)


@contextmanager
def swift_container(service: Service) -> Generator[str, None, None]:
    """A new container, removed with whatever is in it."""
    name = f"swift-{uuid.uuid4().hex[:12]}"
    with SwiftAccount(service) as account:
        account.make(name)
        try:
            yield name
        finally:
            account.remove(name)


def swift_options(service: Service, container: str, **changes: Any) -> SwiftOptions:
    """Options for a prefix of its own."""
    given: dict[str, Any] = {
        "authurl": service["authurl"],
        "username": service["user"],
        "password": service["key"],
        "container": container,
        "prefix": f"some/{uuid.uuid4().hex}",
    }
    return SwiftOptions.model_validate(given | changes)
