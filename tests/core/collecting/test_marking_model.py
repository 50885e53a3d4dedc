"""Random stores, marked and compared with a few lines over sets."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field

import pytest
from tests.core.collecting.marked import (
    CONFIG,
    GRACE,
    OLD,
    YOUNG,
    Store,
    described,
    image,
    index,
    mark,
)
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.collecting import marking_repository, spill
from entrepot.core.collecting.marking import Untagged
from entrepot.core.driver import Entry
from entrepot.core.manifest import OCI_MANIFEST
from entrepot.core.names import Digest, RepositoryName

pytestmark = pytest.mark.anyio
REPOSITORIES = ["a", "a/b", "a-b", "c"]


@dataclass
class Model:
    """What was put into a store, as sets; `leads` are arrows between manifests."""

    revisions: dict[Digest, float] = field(default_factory=dict[Digest, float])
    layers: dict[Digest, float] = field(default_factory=dict[Digest, float])
    content: dict[Digest, set[Digest]] = field(default_factory=dict[Digest, set[Digest]])
    leads: dict[Digest, set[Digest]] = field(default_factory=dict[Digest, set[Digest]])
    tagged: set[Digest] = field(default_factory=set[Digest])

    def reachable(self, *, untagged: bool) -> set[Digest]:
        found = set[Digest]()
        waiting = [
            digest
            for digest, age in self.revisions.items()
            if not untagged or digest in self.tagged or age <= GRACE
        ]
        while waiting:
            digest = waiting.pop()
            if digest not in found:
                found.add(digest)
                waiting += self.leads.get(digest, ())
        return found

    def needed(self, *, untagged: bool) -> set[Digest]:
        manifests = self.reachable(untagged=untagged)
        return manifests.union(*(self.content[digest] for digest in manifests))

    def garbage(self, name: str, *, untagged: bool) -> Iterator[tuple[str, str, Digest]]:
        manifests, needed = self.reachable(untagged=untagged), self.needed(untagged=untagged)
        yield from (("revision", name, digest) for digest in self.revisions.keys() - manifests)
        for digest, age in self.layers.items():
            if age > GRACE and digest not in needed:
                yield "layer", name, digest


class Dice:
    """Fills a store and its models by chance."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.store = Store()
        self.models = {name: Model() for name in REPOSITORIES}
        self.blobs: dict[Digest, float] = {}
        self.pool = [str(n).encode() for n in range(12)]

    def age(self) -> float:
        return self.random.choice([OLD, OLD, OLD, OLD, YOUNG])

    def fill(self) -> None:
        for content in [CONFIG, *self.pool]:
            age = self.age()
            self.blobs[self.store.blob(content, age=age)] = age
        for name, model in self.models.items():
            for content in self.random.sample(self.pool, 8):
                digest, age = Digest.of(content), self.age()
                self.store.link(name, digest, age=age)
                model.layers[digest] = age
            self._fill_manifests(name, model)

    def _fill_manifests(self, name: str, model: Model) -> None:
        written: list[bytes] = []
        for number in range(self.random.randrange(12)):
            more: dict[str, object] = {
                "annotations": {"n": f"{name if number % 2 else ''} {number}"}
            }
            subject = (
                self.random.choice(written) if written and self.random.random() < 0.3 else None
            )
            if subject is not None:
                more["subject"] = described(subject, OCI_MANIFEST)
            children: list[bytes] = []
            layers: list[bytes] = []
            if written and self.random.random() < 0.3:
                children = self.random.sample(written, min(len(written), 2))
                content = index(children, **more)
            else:
                layers = self.random.sample(self.pool, 2)
                content = image(layers, **more)
            self._put(name, model, content, layers, children)
            if subject is not None:
                first, second = Digest.of(content), Digest.of(subject)
                model.leads[first].add(second)
                model.leads[second].add(first)
            written.append(content)

    def _put(
        self, name: str, model: Model, content: bytes, layers: list[bytes], children: list[bytes]
    ) -> None:
        digest, age = Digest.of(content), self.age()
        model.content[digest] = {Digest.of(each) for each in [*layers, *children]}
        if not children:
            model.content[digest].add(Digest.of(CONFIG))
        model.leads[digest] = {Digest.of(each) for each in children}
        self.store.put(layout.blob(digest), content, age)
        self.blobs[digest] = age
        self.store.revision(name, digest, age)
        model.revisions[digest] = age
        if self.random.random() < 0.4:
            self.store.tag(name, f"v{len(model.tagged)}", digest)
            model.tagged.add(digest)

    def expected(self, *, untagged: bool) -> set[tuple[str, str, Digest]]:
        garbage = {
            one
            for name, model in self.models.items()
            for one in model.garbage(name, untagged=untagged)
        }
        needed = set[Digest]()
        for name, model in self.models.items():
            needed |= model.needed(untagged=untagged)
            needed |= {digest for digest in model.layers if ("layer", name, digest) not in garbage}
        return garbage | {
            ("blob", "", digest)
            for digest, age in self.blobs.items()
            if age > GRACE and digest not in needed
        }


@pytest.mark.parametrize("untagged", [False, True])
@pytest.mark.parametrize("held", [1, 5, 1000])
async def test_random_stores(untagged: bool, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marking_repository, "_HELD", held)
    monkeypatch.setattr(spill.Spill.__init__, "__defaults__", (held,))
    found = 0
    for seed in range(40):
        dice = Dice(seed)
        dice.fill()

        garbage = await mark(dice.store, Untagged() if untagged else None)

        marked = [(one.kind, one.repository, one.digest) for one in garbage]
        assert len(marked) == len(set(marked))
        assert set(marked) == dice.expected(untagged=untagged), f"seed {seed}"
        found += len(marked)
    assert found > 400


class FoldersDriver(DictionaryDriver):
    """Asks about every folder, and gives what is wanted alone."""

    async def sift(
        self, prefix: str, wanted: Callable[[str], bool | str]
    ) -> AsyncGenerator[Entry, None]:
        answers: dict[str, bool | str] = {}

        def is_wanted(key: str, end: int) -> bool:
            folder = key[: end + 1]
            if folder not in answers:
                answers[folder] = wanted(folder)
            answer = answers[folder]
            return key[end + 1 :] == answer if isinstance(answer, str) else answer

        given = [
            self.entry(key)
            for key in sorted(self.store)
            if key.startswith(prefix)
            and all(is_wanted(key, at) for at in range(len(prefix), len(key)) if key[at] == "/")
        ]
        for entry in given:
            yield entry


async def test_where_folders_are_real_the_same_is_found_in_the_same_order() -> None:
    for seed in range(30):
        dice = Dice(seed)
        dice.fill()
        expected = await mark(dice.store, Untagged())

        dice.store.driver = FoldersDriver(dice.store.driver.store)

        assert await mark(dice.store, Untagged()) == expected


async def test_the_keys_of_what_is_found() -> None:
    dice = Dice(1)
    dice.fill()

    for one in await mark(dice.store, Untagged()):
        assert one.key in dice.store.driver.store
        assert one.repository == "" or one.key.startswith(
            layout.repository(RepositoryName(one.repository))
        )
