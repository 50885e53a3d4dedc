"""Stores of random pushes and deletions are healthy, until one random object is not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.scrubbed import Scrubbed, contents, digest, put, scrub
from tests.core.stores import CONFIG, chunks, image, index
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.manifest import OCI_MANIFEST
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Repository, Rules, open_registry
from entrepot.core.scrubbing.places import place_of
from entrepot.core.scrubbing.running import Plan
from entrepot.core.scrubbing.sources import DriverSource

NAMES = [RepositoryName.parse(text) for text in ("a", "a/b", "a-b")]
LAYERS = [b"", b"one", b"two" * 50, b"three"]
TAGS = [Tag("t"), Tag("t-1"), Tag("u")]

picks = st.integers(0, 1000)
verbs = st.sampled_from(
    ["blob", "image", "image", "index", "signature", "tag", "tag", "untag", "delete", "unlink"]
)
steps = st.lists(st.tuples(verbs, picks, picks, picks), max_size=25)
Harm = Literal["removed", "emptied", "cut", "flipped"]
HARMS: list[Harm] = ["removed", "emptied", "cut", "flipped"]
harms = st.sampled_from(HARMS)

SOMETHING = [
    ("image", 0, 3, 0),
    ("index", 0, 0, 2),
    ("index", 0, 1, 2),
    ("image", 0, 6, 1),
    ("signature", 0, 0, 0),
]
"""Steps after which there is something of every purpose."""


class Model:
    """What the registry was told: manifests and tags of each repository."""

    def __init__(self) -> None:
        self.manifests: dict[RepositoryName, dict[Digest, dict[str, Any]]] = {n: {} for n in NAMES}
        self.tags: dict[RepositoryName, dict[Tag, Digest]] = {name: {} for name in NAMES}
        self.histories: dict[tuple[RepositoryName, Tag], set[Digest]] = {}

    def blobs(self, name: RepositoryName) -> set[Digest]:
        """What manifests of a repository name."""
        found = [*self.manifests[name].values()]
        named = [blob for one in found for blob in [*one.get("layers", []), one.get("config")]]
        return {Digest.parse(blob["digest"]) for blob in named if blob}

    def children(self, name: RepositoryName) -> set[Digest]:
        found = self.manifests[name].values()
        return {Digest.parse(one["digest"]) for doc in found for one in doc.get("manifests", [])}

    def subject(self, name: RepositoryName, one: Digest) -> bool:
        return "subject" in self.manifests[name].get(one, {})


async def push(
    repository: Repository, model: Model, content: bytes, reference: Digest | Tag
) -> None:
    await repository.manifests.put(reference, content, None)
    model.manifests[repository.name][digest(content)] = json.loads(content)
    if isinstance(reference, Tag):
        model.tags[repository.name][reference] = digest(content)
        model.histories.setdefault((repository.name, reference), set()).add(digest(content))


async def blob(repository: Repository, content: bytes) -> None:
    await repository.blobs.put(digest(content), chunks(content))


async def step(repository: Repository, model: Model, verb: str, first: int, second: int) -> None:
    name = repository.name
    known = sorted(model.manifests[name], key=str)
    chosen = known[first % len(known)] if known else None
    tag = TAGS[second % len(TAGS)]
    layer = LAYERS[first % len(LAYERS)]
    if verb == "blob":
        await blob(repository, layer)
    elif verb == "image":
        layers = [one for place, one in enumerate(LAYERS) if first & 1 << place]
        for one in [CONFIG, *layers]:
            await blob(repository, one)
        content = image(layers)
        await push(repository, model, content, tag if second % 2 else digest(content))
    elif verb == "untag" and tag in model.tags[name]:
        await repository.tags.delete(tag)
        del model.tags[name][tag], model.histories[name, tag]
    elif verb == "unlink" and digest(layer) not in model.blobs(name):
        if await repository.blobs.has(digest(layer)):
            await repository.blobs.delete(digest(layer))
    elif chosen is not None:
        await of_manifest(repository, model, verb, chosen, tag)


async def of_manifest(
    repository: Repository, model: Model, verb: str, chosen: Digest, tag: Tag
) -> None:
    content = (await repository.manifests.get(chosen)).content
    if verb == "index":
        made = index([content])
        await push(repository, model, made, tag)
    elif verb == "signature":
        await blob(repository, CONFIG)
        subject = {"mediaType": OCI_MANIFEST, "digest": str(chosen), "size": len(content)}
        made = image(subject=subject)
        await push(repository, model, made, digest(made))
    elif verb == "tag":
        await push(repository, model, content, tag)
    elif verb == "delete" and chosen not in model.children(repository.name):
        for gone in await repository.manifests.delete(chosen):
            del model.tags[repository.name][gone], model.histories[repository.name, gone]
        del model.manifests[repository.name][chosen]


async def made(taken: list[tuple[str, int, int, int]]) -> tuple[DictionaryDriver, Model]:
    driver, model = DictionaryDriver({}), Model()
    async with open_registry(driver, Rules()) as registry:
        for verb, where, first, second in taken:
            repository = registry.repository(NAMES[where % len(NAMES)])
            await step(repository, model, verb, first, second)
    return driver, model


def harm(driver: DictionaryDriver, key: str, how: Harm, where: int) -> None:
    if how == "removed":
        del driver.store[key]
        return
    content = driver.store[key].content
    place = where % max(1, len(content))
    changed = {
        "emptied": b"" if content else b"x",
        "cut": content[:-1] if content else b"x",
        "flipped": content[:place] + bytes([(content or b"x")[place] ^ 1]) + content[place + 1 :],
    }
    put(driver, key, changed[how])


def expected(model: Model, key: str, *, removed: bool) -> set[str]:
    """Kinds of which one is to be found; none: the harm takes nothing that anybody needs."""
    one = layout.digest_of_blob(key)
    if one is not None:
        return of_blob(model, one) if removed else {"blob-damaged"}
    name, rest = next(split(key))
    place = place_of(rest)
    damaged = {
        "layer": {"link-damaged"},
        "revision": {"link-damaged"},
        "current": {"tag-damaged", "tag-dangling"},  # flipped, it may be a digest
        "history": {"history-damaged"},
        "referrer": {"referrer-damaged"},
    }
    if not removed:
        return damaged[place.purpose]
    if place.purpose == "layer":
        return {"layer-link-missing"} if place.digest in model.blobs(name) else set()
    if place.purpose == "revision":
        assert place.digest is not None
        return of_revision(model, name, place.digest)
    if place.purpose == "history":
        assert place.tag is not None
        is_current = model.tags[name][place.tag] == place.digest
        return {"history-missing"} if is_current else set()
    return {"tag-unfinished" if place.purpose == "current" else "referrer-missing"}


def picked(store: dict[str, bytes], pick: int) -> str:
    """One of the objects; those of each purpose have the same chance together."""
    by_purpose: dict[str, list[str]] = {}
    for key in sorted(store):
        purpose = "blob" if layout.digest_of_blob(key) else place_of(next(split(key))[1]).purpose
        by_purpose.setdefault(purpose, []).append(key)
    keys = list(by_purpose.values())[pick % len(by_purpose)]
    return keys[pick // len(by_purpose) % len(keys)]


def split(key: str) -> Iterator[tuple[RepositoryName, str]]:
    for name in NAMES:
        rest = key.removeprefix(layout.repository(name))
        if rest.startswith("_"):
            yield name, rest


def of_blob(model: Model, one: Digest) -> set[str]:
    if any(one in manifests for manifests in model.manifests.values()):
        return {"manifest-missing"}
    if any(one in model.blobs(name) for name in NAMES):
        return {"blob-missing"}
    return set()  # or a stale link, if it is linked still


def of_revision(model: Model, name: RepositoryName, one: Digest) -> set[str]:
    if one in model.tags[name].values():
        return {"tag-dangling"}
    if one in model.children(name):
        return {"child-link-missing"}
    return {"referrer-orphan"} if model.subject(name, one) else set()


@settings(max_examples=60, deadline=None)
@given(steps)
def test_random_store_is_healthy(taken: list[tuple[str, int, int, int]]) -> None:
    async def case() -> Scrubbed:
        driver, _ = await made(taken)
        return await scrub(driver)

    assert asyncio.run(case()).findings == []


@settings(max_examples=200, deadline=None)
@given(steps, picks, harms, picks)
def test_one_random_harm_is_found_and_healed(
    taken: list[tuple[str, int, int, int]], pick: int, how: Harm, where: int
) -> None:
    async def case() -> None:
        driver, model = await made([*taken, *SOMETHING])
        whole = contents(driver)
        key = picked(whole, pick)
        harm(driver, key, how, where)
        wanted = expected(model, key, removed=how == "removed")

        found = await scrub(driver)
        repairing = Plan(pause=0, repair=True)
        repaired = await scrub(driver, repairing, DriverSource(copy(whole)))

        kinds = set(found.kinds)
        assert kinds & wanted or (not wanted and kinds <= {"link-stale", "referrer-orphan"})
        if wanted and not kinds & {"tag-damaged", "tag-dangling", "tag-unfinished"}:
            assert repaired.wrong == []
            assert contents(driver) == whole or wanted == {"referrer-orphan"}
            assert (await scrub(driver)).findings == []

    asyncio.run(case())


def copy(store: dict[str, bytes]) -> DictionaryDriver:
    driver = DictionaryDriver({})
    for key, content in store.items():
        put(driver, key, content)
    return driver
