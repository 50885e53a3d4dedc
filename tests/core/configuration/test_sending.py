"""A configuration goes to worker processes as it was read."""

from __future__ import annotations

import pickle

from entrepot.core.configuration import load
from entrepot.core.configuration.tree import Scalar, Table


def test_configuration_arrives_unchanged() -> None:
    environ = {
        "REGISTRY_STORAGE": "s3",
        "REGISTRY_STORAGE_S3_BUCKET": "b",
        "REGISTRY_STORAGE_S3_SECRETKEY": "0123",
    }
    configuration = load(None, environ).configuration

    arrived = pickle.loads(pickle.dumps(configuration))

    assert arrived == configuration
    written = arrived.storage.written
    assert isinstance(written, Table)
    assert isinstance(written["secretkey"], Scalar)
    assert written["secretkey"] == "0123"
    assert written["secretkey"].origin == configuration.storage.written["secretkey"].origin
    assert written.origin == configuration.storage.written.origin
