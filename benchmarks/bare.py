"""What a collection of a folder costs at least: its listings, reads and deletions, and no more.

One after the other, of a store that `store.py` made: nothing is checked, kept, told or safe
from interruption. It shows how much of a collector's time is the system's.

    python benchmarks/bare.py CONFIG
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator


def collect(folder: str) -> None:
    """Delete the links and blobs that no manifest with a link needs."""
    base = f"{folder}/docker/registry/v2"
    needed: dict[str, set[str]] = {}
    for repository in _repositories(f"{base}/repositories"):
        needed[repository] = set()
        for digest in _links(f"{repository}/_manifests/revisions/sha256"):
            needed[repository].update(_named(f"{base}/blobs/sha256/{digest[:2]}/{digest}/data"))
            needed[repository].add(digest)
    unneeded = [
        (f"{repository}/_layers/sha256/{digest}", "link")
        for repository, own in needed.items()
        for digest in os.listdir(f"{repository}/_layers/sha256")
        if digest not in own
    ]
    all_needed = set[str]().union(*needed.values())
    for first in os.listdir(f"{base}/blobs/sha256"):
        place = f"{base}/blobs/sha256/{first}"
        unneeded += [(f"{place}/{d}", "data") for d in os.listdir(place) if d not in all_needed]
    for path, name in unneeded:
        os.stat(f"{path}/{name}")  # how old it is
    for path, name in unneeded:
        os.unlink(f"{path}/{name}")
        os.rmdir(path)


def _repositories(folder: str) -> Iterator[str]:
    names = os.listdir(folder)
    if "_layers" in names:
        yield folder
        return
    for name in names:
        yield from _repositories(f"{folder}/{name}")


def _links(folder: str) -> Iterator[str]:
    for digest in os.listdir(folder):
        os.stat(f"{folder}/{digest}/link")
        yield digest


def _named(path: str) -> Iterator[str]:
    with open(path, "rb", buffering=0) as file:
        manifest = json.loads(file.read())
    for described in (manifest["config"], *manifest["layers"]):
        yield described["digest"].removeprefix("sha256:")


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as config:
        collect(json.load(config)["storage"]["filesystem"]["rootdirectory"])
