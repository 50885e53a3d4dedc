"""Buckets of a GCS server, made and removed behind the driver's back."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote
from uuid import uuid4


@contextmanager
def new_bucket(endpoint: str) -> Generator[str, None, None]:
    """The name of an empty bucket; whatever is in it at the end is removed with it."""
    name = f"entrepot-{uuid4().hex}"
    ask(endpoint, "POST", "/storage/v1/b?project=test", {"name": name})
    try:
        yield name
    finally:
        for key in object_names(endpoint, name):
            path = quote(key, safe="")
            ask(endpoint, "DELETE", f"/storage/v1/b/{name}/o/{path}")
        ask(endpoint, "DELETE", f"/storage/v1/b/{name}")


def object_names(endpoint: str, bucket: str) -> list[str]:
    listed = ask(endpoint, "GET", f"/storage/v1/b/{bucket}/o")
    return [item["name"] for item in listed.get("items", ())]


def ask(
    endpoint: str, method: str, path: str, content: dict[str, Any] | None = None
) -> dict[str, Any]:
    data = None if content is None else json.dumps(content).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(endpoint + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: Any = json.loads(answer.read() or b"{}")
    return found or {}
