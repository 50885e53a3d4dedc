"""What `entrepot config show` must never print, wherever a configuration may hold it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from tests.core.configuration.keys import written

from entrepot.core.configuration import Loaded, PluggedModels, load, shown, unavailable
from entrepot.core.plugins import load_plugins

Load = Callable[..., Loaded]

MARK = "s3cr3t"
_S3 = {"storage.s3.bucket": "b", "storage.s3.region": "r", "storage.s3.accesskey": "a"}
_AZURE = {"storage.azure.container": "images", "storage.azure.accountname": "n"}
_MEMORY = {"storage.inmemory": "{}"}
_ENDPOINT = "notifications.endpoints.0"

SECRETS: dict[str, tuple[str, dict[str, str]]] = {
    "http.secret": (MARK, _MEMORY),
    "log.fields": (f"{{api_token: {MARK}}}", _MEMORY),
    "log.hooks.0.options.smtp.password": (MARK, {**_MEMORY, "log.hooks.0.disabled": "true"}),
    "redis.password": (MARK, _MEMORY),
    "redis.sentinelpassword": (MARK, _MEMORY),
    "proxy.password": (MARK, _MEMORY),
    "proxy.remoteurl": (f"https://user:{MARK}@example.com", _MEMORY),
    f"{_ENDPOINT}.headers": (f"{{Authorization: [Bearer {MARK}]}}", _MEMORY),
    f"{_ENDPOINT}.url": (f"'https://user:{MARK}@example.com/?token={MARK}'", _MEMORY),
    "health.http.0.headers": (
        f"{{Authorization: [Basic {MARK}]}}",
        {**_MEMORY, "health.http.0.uri": "http://a/"},
    ),
    "health.http.0.uri": (f"'http://us@er:p@{MARK}@example.com/a?key={MARK}'", _MEMORY),
    "http.host": (f"https://user:{MARK}@example.com", _MEMORY),
    "http.tls.letsencrypt.directoryurl": (f"https://a:{MARK}@acme.example.com/", _MEMORY),
    "middleware.storage.0.options": (f"{{privatekey: {MARK}}}", _MEMORY),
    "notifications.observers.0.options": (f"{{password: {MARK}}}", _MEMORY),
    "policy.admission.0.options": (f"{{token: {MARK}}}", _MEMORY),
    "auth.token.realm": (
        f"https://user:{MARK}@example.com/",
        {
            **_MEMORY,
            "auth.token.service": "s",
            "auth.token.issuer": "i",
            "auth.token.jwks": "/jwks.json",
        },
    ),
    "auth.unknown.clientsecret": (MARK, _MEMORY),
    "storage.s3.secretkey": (MARK, _S3),
    "storage.s3.sessiontoken": (MARK, {**_S3, "storage.s3.secretkey": "s"}),
    "storage.gcs.credentials": (
        f"{{type: service_account, private_key: {MARK}, private_key_id: {MARK}}}",
        {"storage.gcs.bucket": "bucket"},
    ),
    "storage.azure.accountkey": ("czNjcjN0", _AZURE),
    "storage.azure.credentials.secret": (
        MARK,
        {
            **_AZURE,
            "storage.azure.credentials.type": "client_secret",
            "storage.azure.credentials.clientid": "c",
            "storage.azure.credentials.tenantid": "t",
        },
    ),
    "storage.azure.connectionstring": (
        f"'AccountName=a;AccountKey={MARK}'",
        {"storage.azure.container": "images"},
    ),
    "storage.fsspec.url": (f"sftp://user:{MARK}@example.com/a", {}),
    "storage.fsspec.options": (
        f"{{password: {MARK}, deep: {{token: {MARK}, list: [{{passphrase: {MARK}}}]}}}}",
        {"storage.fsspec.url": "memory://"},
    ),
    "reporting.bugsnag.apikey": (MARK, _MEMORY),
    "reporting.newrelic.licensekey": (MARK, _MEMORY),
}


@cache
def models() -> PluggedModels:
    return load_plugins(frozenset({"obstore", "oss", "rados", "swift"})).models


@pytest.fixture(autouse=True)
def all_is_available(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(unavailable, "ROWS", ())
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("path", SECRETS)
@pytest.mark.parametrize("knows", ["the models of plug-ins", "nothing of plug-ins"])
def test_secret_is_not_shown(path: str, knows: str) -> None:
    value, beside = SECRETS[path]
    Path("config.yml").write_text(written({"version": "0.1", **beside, path: value}))
    known = models() if knows == "the models of plug-ins" else PluggedModels()

    loaded = load("config.yml", {}, PluggedModels() if "unknown" in path else models())
    text = repr(shown(loaded, known))

    assert MARK not in text
    assert "czNjcjN0" not in text
    assert MARK not in "\n".join(loaded.notes)
    assert MARK not in repr(loaded.origins)


def test_what_is_no_secret_is_shown() -> None:
    text = written(
        {
            **_MEMORY,
            "version": "0.1",
            "proxy.remoteurl": "https://mirror.example.com/a",
            "validation.manifests.urls.allow": "['^https?://([^/]+\\.)?example\\.com/']",
            "redis.username": "someone",
            "http.headers": "{X-Content-Type-Options: [nosniff]}",
        }
    )
    Path("config.yml").write_text(text)

    values = shown(load("config.yml", {}), models())

    assert values["proxy"]["remoteurl"] == "https://mirror.example.com/a"
    assert values["validation"]["manifests"]["urls"]["allow"] == [
        "^https?://([^/]+\\.)?example\\.com/"
    ]
    assert values["redis"]["username"] == "someone"
    assert values["http"]["headers"] == {"X-Content-Type-Options": ["nosniff"]}
