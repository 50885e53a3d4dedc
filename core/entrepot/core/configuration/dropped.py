"""Drivers and middlewares of Distribution that nothing here is named like, and what to write."""

from __future__ import annotations

from collections.abc import Iterator

from entrepot.core.configuration.mistakes import line
from entrepot.core.configuration.model import Configuration
from entrepot.core.configuration.plugged import PluggedModels, storage_middlewares
from entrepot.core.configuration.tree import Path, Table, origin_at

DRIVERS = {
    "oss": (
        "Distribution 3 dropped this driver; write `fsspec` with `url: oss://BUCKET/FOLDER`, "
        "after `pip install ossfs`"
    ),
    "swift": "Distribution 3 dropped this driver; write `s3` for Swift's S3 interface",
    "rados": "Distribution 2.4 dropped this driver; write `s3` for Ceph's object gateway",
    "s3goamz": "Distribution 2.7 dropped this driver; write `s3`, its parameters are the same",
}

MIDDLEWARES = {
    "cloudfront": (
        "URLs signed for CloudFront are not made; write `redirect` with the `baseurl` for a "
        "distribution that needs no signed URLs, or remove it: the store's own URLs are used"
    ),
}


def replaced(configuration: Configuration, tree: Table, models: PluggedModels) -> Iterator[str]:
    """A mistake for each of them that is asked for and that no plug-in brings."""
    driver = configuration.storage.driver
    if driver in DRIVERS and driver not in models.drivers:
        yield _line(("storage", driver), DRIVERS[driver], tree)
    for path, middleware in storage_middlewares(configuration):
        name = middleware.name
        if name in MIDDLEWARES and name not in models.storage_middlewares:
            yield _line((*path, "name"), MIDDLEWARES[name], tree)


def _line(path: Path, told: str, tree: Table) -> str:
    return line(path, told, origin_at(tree, path))
