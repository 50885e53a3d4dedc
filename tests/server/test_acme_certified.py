"""A configuration that is given its certificate, with one in the cache."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.server.acme_fakes import put

import entrepot.server.acme.authority  # else a thread imports it, amid filters of warnings
from entrepot.core.configuration import Configuration, load
from entrepot.server.acme.cache import Cache
from entrepot.server.acme.certified import certified
from entrepot.server.servers.choosing import material

HOST = "a.example.com"
assert entrepot.server.acme.authority


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    put(Cache(tmp_path, (HOST,)), [HOST], datetime.now(UTC).replace(microsecond=0))
    acme = {
        "CACHEFILE": str(tmp_path),
        "HOSTS": f"[{HOST}]",
        "DIRECTORYURL": "http://127.0.0.1:1/dir",
        "HTTPADDR": "127.0.0.1:0",
    }
    environ = {f"REGISTRY_HTTP_TLS_LETSENCRYPT_{key}": value for key, value in acme.items()}
    return load(None, {"REGISTRY_STORAGE": "inmemory", **environ}).configuration


def watches() -> list[str]:
    return sorted(one.name for one in threading.enumerate() if one.name.startswith("acme"))


def test_certificate_and_key_are_those_of_the_cache(
    configuration: Configuration, tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    with certified(configuration) as given:
        read = material(given)
        assert watches() == ["acme door", "acme keeper"]

    assert given.http.tls.certificate == given.http.tls.key == str(tmp_path / HOST)
    assert given.http.addr == configuration.http.addr
    assert read is not None
    assert read.everywhere
    assert watches() == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_certificate_is_given_in_a_thread_that_is_told_nothing_of_signals(
    configuration: Configuration,
) -> None:
    paths: list[str] = []

    def serve() -> None:
        with certified(configuration) as given:
            paths.append(given.http.tls.certificate)

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()

    assert [Path(path).name for path in paths] == [HOST]
