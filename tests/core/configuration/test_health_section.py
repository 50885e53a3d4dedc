"""What the sections `health` and `http.debug` may say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from entrepot.core.configuration import Loaded

Load = Callable[..., Loaded]
Refuse = Callable[..., tuple[str, ...]]

HEAD = "version: 0.1\nstorage: inmemory\n"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("health: {file: [{threshold: 1}]}", "health.file.0.file: missing; give it a value"),
        ("health: {http: [{statuscode: 200}]}", "health.http.0.uri: missing; give it a value"),
        ("health: {tcp: [{interval: 1s}]}", "health.tcp.0.addr: missing; give it a value"),
        ("health: {file: [{file: ''}]}", "health.file.0.file: missing; give it a value"),
        ("health: {http: [{uri: ''}]}", "health.http.0.uri: missing; give it a value"),
        ("health: {http: [{uri: host/live}]}", "health.http.0.uri: a URL is wanted"),
        ("health: {tcp: [{addr: host}]}", "health.tcp.0.addr: an address with a port is wanted"),
        ("health: {tcp: [{addr: 'a:1', threshold: -1}]}", "health.tcp.0.threshold: at least 0"),
        ("http: {debug: {prometheus: {path: metrics}}}", "http.debug.prometheus.path: a path of"),
        ("http: {debug: {prometheus: {path: '/{a}'}}}", "http.debug.prometheus.path: a path of"),
        ("http: {debug: {prometheus: {path: /debug/health}}}", "http.debug.prometheus.path: a"),
    ],
)
def test_mistakes(refused: Refuse, text: str, mistake: str) -> None:
    [found] = refused(HEAD + text)

    assert found.startswith(mistake)


def test_checks_by_variables(loaded: Load) -> None:
    environ = {
        "REGISTRY_HEALTH_FILECHECKERS_0_FILE": "/down",
        "REGISTRY_HEALTH_HTTPCHECKERS_0_URI": "http://a/live",
        "REGISTRY_HEALTH_HTTPCHECKERS_0_STATUSCODE": "204",
        "REGISTRY_HEALTH_TCPCHECKERS": "[{addr: 'a:1', timeout: 3s}]",
        "REGISTRY_HEALTH_STORAGEDRIVER_ENABLED": "true",
    }

    health = loaded(HEAD, environ).configuration.health

    assert health.file[0].file == "/down"
    assert (health.http[0].uri, health.http[0].statuscode) == ("http://a/live", 204)
    assert (health.tcp[0].addr, health.tcp[0].timeout.seconds) == ("a:1", 3.0)
    assert health.storagedriver.enabled
    assert health.storagedriver.timeout.seconds == 10.0
