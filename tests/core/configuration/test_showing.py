"""The configuration in effect: everything in it, secrets hidden, and loadable again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from entrepot.core.configuration import Loaded, PluggedModels, load, shown
from entrepot.core.driver import DriverOptions

Load = Callable[..., Loaded]

SECRETS = """\
version: 0.1
storage:
  azure:
    accountname: name
    accountkey: s3cr3t
    credentials: {type: client_secret, clientid: id, secret: s3cr3t}
    connectionstring: s3cr3t
    list: [{private_key: s3cr3t}]
    endpoint: https://user:s3cr3t@host/path
    sas_token: s3cr3t
http: {secret: s3cr3t}
redis: {addrs: ['a:1'], password: s3cr3t, sentinelpassword: s3cr3t}
proxy: {username: user, password: s3cr3t}
notifications:
  endpoints:
    - {name: a, disabled: true, headers: {Authorization: [Bearer s3cr3t]},
       url: 'https://user:s3cr3t@host/'}
log: {hooks: [{disabled: true, options: {smtp: {password: s3cr3t}}}], fields: {token: s3cr3t}}
middleware: {storage: [{name: a, disabled: true, options: {privatekey: s3cr3t}}]}
"""


class Options(DriverOptions):
    """A driver whose secret has a harmless name."""

    pin: SecretStr
    pan: str


def test_shown_hides_every_secret(loaded: Load) -> None:
    values = shown(loaded(SECRETS))

    assert "s3cr3t" not in repr(values)
    assert values["storage"]["azure"] == {
        "accountname": "name",
        "accountkey": "******",
        "credentials": {"type": "client_secret", "clientid": "id", "secret": "******"},
        "connectionstring": "******",
        "list": [{"private_key": "******"}],
        "endpoint": "https://******@host/path",
        "sas_token": "******",
    }
    assert values["http"]["secret"] == "******"
    assert values["proxy"]["username"] == "user"


def test_shown_hides_what_a_driver_calls_secret() -> None:
    loaded = load(None, {"REGISTRY_STORAGE": "{mine: {pin: s3cr3t, pan: a}}"})

    values = shown(loaded, PluggedModels({"mine": Options}))

    assert values["storage"]["mine"] == {"pin": "******", "pan": "a"}


def test_shown_hides_what_a_middleware_calls_secret(loaded: Load) -> None:
    text = (
        "version: 0.1\nstorage: inmemory\n"
        "middleware: {storage: [{name: mine, options: {pin: 1, pan: a}}, {name: mine}, {}]}\n"
    )

    values = shown(loaded(text), PluggedModels(storage_middlewares={"mine": Options}))

    assert values["middleware"]["storage"][0]["options"] == {"pin": "******", "pan": "a"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("http.addr", "127.0.0.1:5000"),
        ("http.draintimeout", "1m30s"),
        ("http.idletimeout", "5m0s"),
        ("http.headers", {"x-a": ["b"]}),
        ("log.level", "info"),
        ("storage.filesystem.rootdirectory", "./registry-data"),
        ("storage.delete.enabled", False),
        ("storage.maintenance.uploadpurging.enabled", True),
        ("auth.none", {}),
    ],
)
def test_shown_value(path: str, value: object) -> None:
    environ = {
        "REGISTRY_HTTP_DRAINTIMEOUT": "90s",
        "REGISTRY_HTTP_HEADERS_X-A": "[b]",
        "REGISTRY_AUTH": "none",
    }
    found: Any = shown(load(None, environ))

    for key in path.split("."):
        found = found[key]
    assert found == value


def test_shown_leaves_out_what_has_no_value() -> None:
    values = shown(load(None, {}))

    assert "loglevel" not in values
    assert "reporting" not in values
    assert "addrs" not in values["redis"]
    assert "host" not in values["http"]


@pytest.mark.parametrize(
    "text",
    [
        "version: 0.1\nstorage: inmemory\n",
        "version: 0.1\nstorage: {filesystem: {maxthreads: 5}}\nauth: none\n",
        SECRETS,
    ],
)
def test_shown_loads_to_the_same(loaded: Load, tmp_path: Path, text: str) -> None:
    values = shown(loaded(text))
    again = tmp_path / "again.yml"
    again.write_text(yaml.safe_dump(values))  # pyright: ignore[reportUnknownMemberType]

    assert shown(load(again, {})) == values
