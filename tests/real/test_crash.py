"""Killed in the middle of pushes, again and again: what was acknowledged is whole."""

import hashlib
import os
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from tests.real.crash import REPOSITORIES, Ledger, Pusher
from tests.real.registry import Registry
from tests.real.servers import Server, StartDistribution, StartEntrepot

KILLS = 25
PUSHES = 300  # in all of them
PUSHERS = 4
RUNS = (  # workers of the server, and how often it is killed
    pytest.param(("1", KILLS // 2), id="one worker"),
    pytest.param(("2", KILLS // 3), id="two workers"),
    pytest.param(("1", KILLS), id="one worker, longer", marks=pytest.mark.wide),
)
SEED = 20261124


@dataclass
class Run:
    """A server that was killed often, and what its clients were told."""

    server: Server
    ledger: Ledger
    kills: int = 0
    verified: int = 0


@pytest.fixture(scope="module", params=RUNS)
def run(request: pytest.FixtureRequest, entrepot_server: StartEntrepot) -> Iterator[Run]:
    workers, kills = request.param
    server = entrepot_server(env={"REGISTRY_HTTP_WORKERS": workers})
    run = Run(server, Ledger())
    crash_often(run, kills, random.Random(SEED + kills))
    yield run
    server.stop()


def crash_often(run: Run, kills: int, chance: random.Random) -> None:
    """Let clients push while the server is killed and started, then stop them."""
    ledger = run.ledger
    pushers = [Pusher(run.server.url, ledger, number) for number in range(PUSHERS)]
    ledger.up.set()
    for pusher in pushers:
        pusher.start()
    verified = dict[tuple[str, str], str]()
    per_kill = PUSHES // KILLS
    for _ in range(kills):
        more = chance.randrange(per_kill // 2, per_kill * 2)
        if not ledger.wait_for_pushes(ledger.pushes + more):
            break
        threading.Event().wait(chance.random() * 0.03)  # not just behind an acknowledgement
        ledger.up.clear()
        run.server.kill()
        run.kills += 1
        ledger.problems += store_problems(run.server.root)
        run.server.start()
        ledger.problems += tag_problems(run.server.url, ledger, verified)
        ledger.up.set()
    ledger.wait_for_pushes(PUSHES * kills // KILLS)
    ledger.stopped.set()
    for pusher in pushers:
        pusher.join()
    run.verified = len(verified)


def store_problems(root: Path) -> list[str]:
    """What is torn in a store at rest: content under another digest, a link to nowhere."""
    problems = list[str]()
    top = root / "docker" / "registry" / "v2"
    for path in top.rglob("*"):
        if path.name == "data" and path.is_relative_to(top / "blobs"):
            algorithm, _, name = path.relative_to(top / "blobs").parts[:3]
            with path.open("rb") as file:
                if hashlib.file_digest(file, algorithm).hexdigest() != name:
                    problems.append(f"{path} has another digest")
        elif path.name == "link":
            algorithm, _, name = path.read_text().partition(":")
            if not (top / "blobs" / algorithm / name[:2] / name / "data").exists():
                problems.append(f"{path} leads nowhere: {path.read_bytes()!r}")
    return problems


def tag_problems(url: str, ledger: Ledger, verified: dict[tuple[str, str], str]) -> list[str]:
    """Tags that are lost, moved back or incomplete; of those seen before, the moving ones."""
    problems = list[str]()
    before = [key for key, tagged in ledger.tags.copy().items() if tagged.acknowledged]
    with Registry(url) as registry:
        for repository in REPOSITORIES:
            listed = registry.tags(repository)
            acknowledged = {tag for name, tag in before if name == repository}
            lost = acknowledged - set(listed)
            problems += [f"{repository}:{tag} is lost" for tag in sorted(lost)]
            for tag in listed:
                if (repository, tag) not in verified or tag.endswith("-latest"):
                    digest = registry.digest(repository, tag)
                    registry.verify(repository, tag)
                    told = ledger.tags[repository, tag]
                    if not told.may_be(digest):
                        problems.append(f"{repository}:{tag} is {digest}, not {told}")
                    verified[repository, tag] = digest
    return problems


def test_every_acknowledged_push_is_whole(run: Run) -> None:
    ledger = run.ledger

    assert ledger.problems == []
    assert run.kills >= KILLS // 3
    assert ledger.pushes >= PUSHES * run.kills // KILLS
    assert ledger.interrupted >= run.kills, "kills in the middle of pushes"
    with Registry(run.server.url) as registry:
        for (repository, tag), tagged in ledger.tags.items():
            if tagged.acknowledged is not None:
                assert tagged.may_be(registry.digest(repository, tag))
                registry.verify(repository, tag)
        for repository, digest in ledger.blobs:
            answer = registry.blob(repository, digest)
            assert answer.status_code == 200
            algorithm, _, name = digest.partition(":")
            assert hashlib.new(algorithm, answer.content).hexdigest() == name


def test_no_tag_points_to_nothing(run: Run) -> None:
    with Registry(run.server.url) as registry:
        for repository in REPOSITORIES:
            for tag in registry.tags(repository):
                registry.verify(repository, tag)
    assert store_problems(run.server.root) == []


def test_every_acknowledged_referrer_is_listed(run: Run) -> None:
    assert run.ledger.referrers
    with Registry(run.server.url) as registry:
        for repository, subject, digest in run.ledger.referrers:
            answer = registry.http.get(f"/v2/{repository}/referrers/{subject}")
            listed = cast("list[dict[str, str]]", answer.json()["manifests"])
            assert digest in {each["digest"] for each in listed}


def test_interrupted_uploads_went_on(run: Run) -> None:
    assert run.ledger.resumed > 0


@pytest.mark.parametrize("version", ["2", "3"])
def test_distribution_serves_the_same(
    run: Run, version: str, distribution: StartDistribution
) -> None:
    theirs = distribution(version, run.server.root)

    with Registry(run.server.url) as here, Registry(theirs.url) as there:
        for repository in REPOSITORIES:
            tags = here.tags(repository)
            for tag in tags:
                assert there.digest(repository, tag) == here.digest(repository, tag)
                there.verify(repository, tag)
            half_made = set(there.tags(repository)) - set(tags)
            for tag in half_made:  # they list the folder of a tag that was never finished
                assert there.manifest(repository, tag).status_code == 404
    theirs.stop()


def test_nothing_of_a_dead_process_stays_in_the_way(run: Run) -> None:
    """A push of content that was being written when the process died succeeds."""
    names = [name for _, _, files in os.walk(run.server.root) for name in files]
    assert names
    with Registry(run.server.url) as registry:
        for repository, tag in list(run.ledger.tags)[-20:]:
            digest = registry.push_image(repository, tag, [b"again"])
            assert registry.digest(repository, tag) == digest
