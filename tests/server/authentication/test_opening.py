"""The section `auth` of a configuration: what it opens, and how mistakes in it are told."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.server.authentication.conftest import Guarded
from tests.server.authentication.recording import Options, plugged

from entrepot.core.access import Authenticator, Rights
from entrepot.core.errors import ConfigurationError, PluginError


@pytest.mark.parametrize("value", ["none", "", "{none: {}}"])
def test_without_authentication(value: str, guarded: Guarded) -> None:
    assert guarded(AUTH=value).get("/v2/").status_code == 200


def test_unknown_way_of_authentication(guarded: Guarded) -> None:
    with pytest.raises(ConfigurationError, match=r"^auth: no authenticator named 'htpaswd' is"):
        guarded(AUTH="htpaswd")


@pytest.mark.parametrize(
    ("auth", "mistakes"),
    [
        ({"htpasswd": {}}, ["auth.htpasswd.realm: missing", "auth.htpasswd.path: missing"]),
        ({"htpasswd": {"realm": "a\nb", "path": "/p"}}, ["auth.htpasswd.realm: it goes into"]),
        ({"htpasswd": {"realm": "a", "path": ""}}, ["auth.htpasswd.path: it must not be empty"]),
        ({"htpasswd": {"realm": "a", "path": "/p", "pathh": 1}}, ["auth.htpasswd.pathh: unknown"]),
        ({"silly": {"realm": "a"}}, ["auth.silly.service: missing"]),
        (
            {"token": {"realm": "", "service": "s"}},
            ["auth.token.realm: it must not be empty", "auth.token.issuer: missing"],
        ),
        (
            {"token": {"realm": "x", "service": "s", "issuer": "i", "jwks": "/j"}},
            ["auth.token: realm is no URL"],
        ),
        (
            {"token": {"realm": "https://a/", "service": "s", "issuer": "i"}},
            ["auth.token: no signing key is trusted"],
        ),
        (
            {
                "token": {
                    "realm": "https://a/",
                    "service": "s",
                    "issuer": "i",
                    "jwks": "/j",
                    "signingalgorithms": ["none"],
                    "autoredirectpath": "x y",
                }
            },
            ["auth.token.autoredirectpath: a path is wanted", "auth.token.signingalgorithms.0: "],
        ),
    ],
)
def test_mistakes_are_told_by_their_place(
    auth: dict[str, Any], mistakes: list[str], guarded: Guarded
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        guarded(AUTH=json.dumps(auth))

    assert len(caught.value.mistakes) == len(mistakes)
    for told, expected in zip(caught.value.mistakes, mistakes, strict=True):
        assert told.startswith(expected), told


def test_authenticator_that_cannot_be_opened(guarded: Guarded) -> None:
    @asynccontextmanager
    async def failing(_: Options, __: Rights) -> AsyncGenerator[Authenticator, None]:
        raise OSError("no such server")
        yield

    with pytest.raises(PluginError, match="'recorder' failed to open: no such server"):
        guarded(plugged(failing), AUTH="recorder")


def test_silly_lets_in_who_sends_anything(
    guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    client = guarded(AUTH_SILLY_REALM="r", AUTH_SILLY_SERVICE="s")

    answer = client.put("/v2/a/manifests/x", content=b"")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="r",service="s",scope="repository:a:pull repository:a:push"'
    )
    assert client.get("/v2/", headers={"Authorization": "x"}).status_code == 200
    assert "everybody who sends any credentials" in caplog.text
