"""What may be asked for and is not there yet: one clear line each, and only if asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from entrepot.core.configuration import Loaded
from entrepot.core.configuration.unavailable import ROWS, Row

Load = Callable[..., Loaded]
Refuse = Callable[..., tuple[str, ...]]

HEAD = "version: 0.1\n"

ASKED = {
    "proxy.remoteurl": "proxy: {remoteurl: 'https://registry-1.docker.io'}",
    "middleware.registry": "middleware: {registry: [{name: a}]}",
    "middleware.repository": "middleware: {repository: [{name: a}]}",
}


def whole(text: str) -> str:
    return HEAD + text + ("\n" if text.startswith("storage") else "\nstorage: inmemory\n")


@pytest.mark.parametrize("row", ROWS, ids=[row.path for row in ROWS])
def test_asking_for_what_is_not_there(refused: Refuse, row: Row) -> None:
    mistakes = refused(whole(ASKED[row.path]))

    assert len(mistakes) == 1
    assert mistakes[0].startswith(f"{row.path}: {row.reason}; ")
    assert mistakes[0].endswith(" [file config.yml line 2]")


@pytest.mark.parametrize(
    "text",
    [
        "auth: none",
        "http: {tls: {minimumtls: tls1.3, clientcas: [/c]}}",
        "http: {tls: {certificate: '', key: '', letsencrypt: {email: ''}}}",
        "http: {debug: {prometheus: {path: /metrics}}}",
        "log: {hooks: [{type: mail, disabled: true}]}",
        "notifications: {endpoints: [{url: 'http://a', disabled: true}]}",
        "notifications: {events: {includereferences: true}}",
        "proxy: {remoteurl: '', username: a, password: b}",
        "storage: {inmemory: , cache: {blobdescriptor: inmemory}}",
        "storage: {inmemory: , maintenance: {uploadpurging: {enabled: false}}}",
        "storage: {inmemory: , maintenance: {uploadpurging: }}",
        "storage: {inmemory: , maintenance: {readonly: {enabled: no}}}",
        "storage: {inmemory: , redirect: {disable: true}}",
        "health: {storagedriver: {enabled: true, interval: 10s}, file: [{file: /f}]}",
        "middleware: {storage: [{name: redirect, options: {baseurl: 'http://a'}}]}",
        "policy: {repository: {classes: []}}",
        "validation: {disabled: true, manifests: {indexes: {platforms: all}}}",
    ],
)
def test_not_asking_for_it(loaded: Load, text: str) -> None:
    assert loaded(whole(text)).configuration.version == "0.1"


@pytest.mark.parametrize("kind", ["registry", "repository"])
def test_middlewares_of_distribution_are_told_what_replaces_them(
    refused: Refuse, kind: str
) -> None:
    told = refused(whole(f"middleware: {{{kind}: [{{name: mine}}]}}"))[0]

    assert "notifications.observers" in told
    assert "policy.admission" in told
