"""An application that is watched, and what its debug pages say."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from entrepot.core.configuration import Configuration, load
from entrepot.server.app import create_app
from entrepot.server.debug import debug_app

Labels = tuple[tuple[str, str], ...]


def configured(**variables: str) -> Configuration:
    """The configuration of REGISTRY_* variables, named without that; metrics are on."""
    given = {
        "STORAGE": "inmemory",
        "STORAGE_DELETE_ENABLED": "true",
        "HTTP_DEBUG_ADDR": "127.0.0.1:5001",
        "HTTP_DEBUG_PROMETHEUS_ENABLED": "true",
    } | variables
    return load(None, {f"REGISTRY_{name}": value for name, value in given.items()}).configuration


@dataclass(frozen=True, slots=True)
class Watched:
    """Clients of an application and of its debug pages."""

    client: TestClient
    debug: TestClient

    def samples(self) -> dict[str, dict[Labels, float]]:
        """All values by name and labels."""
        return samples_of(self.debug.get("/metrics").text)

    def value(self, name: str, **labels: str) -> float:
        """One value; 0 if there is none."""
        return self.samples().get(name, {}).get(tuple(sorted(labels.items())), 0.0)


def samples_of(text: str) -> dict[str, dict[Labels, float]]:
    found: dict[str, dict[Labels, float]] = {}
    for name, labels, value in _samples(text):
        found.setdefault(name, {})[labels] = value
    return found


def _samples(text: str) -> Iterator[tuple[str, Labels, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, tuple(sorted(sample.labels.items())), sample.value


@contextmanager
def watched(**variables: str) -> Generator[Watched, None, None]:
    configuration = configured(**variables)
    app = create_app(configuration)
    with TestClient(app, base_url="http://registry.test", follow_redirects=False) as client:
        yield Watched(client, TestClient(debug_app(configuration, app)))


def until(true: Callable[[], bool]) -> None:
    """Ask again and again, at most for some seconds."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
