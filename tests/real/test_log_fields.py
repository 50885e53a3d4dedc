"""What is logged of the same requests, here and by Distribution: the same fields and messages."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from tests.real.registry import hexadecimal
from tests.real.servers import Server, StartDistribution, StartEntrepot

LOG = {"log": {"level": "info", "formatter": "json", "fields": {"service": "hub"}}}
REQUESTS = [
    ("GET", "/v2/a/b/manifests/x"),
    ("PUT", "/v2/a/b/manifests/x"),
    ("GET", f"/v2/a/b/blobs/{hexadecimal(b'nowhere')}"),
    ("HEAD", f"/v2/a/b/blobs/{hexadecimal(b'nowhere')}"),
    ("GET", "/v2/a/b/tags/list"),
    ("POST", "/v2/a/b/blobs/uploads/"),
    ("GET", "/v2/_catalog"),
    ("GET", "/v2/"),
]
GO = {"go.version"}
MESSAGES = {"response completed", "response completed with error"}

Line = dict[str, Any]


def lines(server: Server) -> list[Line]:
    """The messages about requests, whose logs are mixed with the access log."""
    read = [line for line in server.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in map(json.loads, read) if line["msg"] in MESSAGES]


def told(server: Server) -> dict[tuple[str, str], Line]:
    """What the server logs of each request."""
    headers = {"Referer": "http://from.test/", "User-Agent": "tester/1"}
    with httpx2.Client(base_url=server.url, headers=headers) as client:
        for method, path in REQUESTS:
            client.request(method, path, content=b"{}" if method == "PUT" else None)
    server.stop()
    return {(line["http.request.method"], line["http.request.uri"]): line for line in lines(server)}


@pytest.mark.parametrize("version", ["3"])
def test_fields_are_distributions(
    distribution: StartDistribution, entrepot_server: StartEntrepot, version: str
) -> None:
    theirs, ours = told(distribution(version, config=LOG)), told(entrepot_server(LOG))

    for request in REQUESTS:
        expected, line = theirs[request], ours[request]
        assert set(expected) - set(line) == GO, request
        assert line["msg"] == expected["msg"]
        assert line["http.response.status"] == expected["http.response.status"]
        assert line.get("err.code") == expected.get("err.code")
        for field in expected:
            if field.startswith(("vars.", "http.request.")) and field not in {
                "http.request.host",
                "http.request.id",
                "http.request.remoteaddr",
            }:
                assert line[field] == expected[field], request


def test_mistakes_of_clients_are_no_errors_here(entrepot_server: StartEntrepot) -> None:
    server = entrepot_server(LOG)

    levels = {line["level"] for line in told(server).values()}

    assert levels == {"info"}
    assert "Traceback" not in server.log.read_text()
