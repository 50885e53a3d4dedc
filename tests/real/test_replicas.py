"""Two servers on one bucket share nothing else: no secret, no cache, no knowledge of each other."""

import itertools
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from tests.real.backends import CLOUDS, Backend
from tests.real.registry import Registry, hexadecimal
from tests.real.servers import Server, StartEntrepot

pytestmark = pytest.mark.parametrize("backend", [*CLOUDS, "obstore"], indirect=True, scope="module")

MIB = 1024 * 1024
PUSHES = 100
PUSHERS = 8
MOVES = 20


@pytest.fixture(scope="module")
def servers(
    backend: Backend, entrepot_server: StartEntrepot
) -> Generator[list[Server], None, None]:
    """Two of our servers on the backend."""
    started = [entrepot_server(backend.configuration) for _ in range(2)]
    yield started
    for server in started:
        server.stop()


@pytest.fixture
def replicas(servers: list[Server]) -> Generator[list[Registry], None, None]:
    """Plain requests to each of them."""
    with ExitStack() as stack:
        yield [stack.enter_context(Registry(server.url)) for server in servers]


def leftovers(backend: Backend) -> list[str]:
    """What is kept of uploads; all of them are over."""
    held = [key for key in backend.bucket.objects() if "/_uploads/" in key or "multipart" in key]
    return held + backend.bucket.unfinished()


def test_chunks_of_one_upload_alternate(
    replicas: list[Registry], backend: Backend, repository: str
) -> None:
    content = b"".join(n.to_bytes(4, "big") for n in range(4 * MIB + 3))
    sizes = itertools.cycle([1, 3 * MIB, 6 * MIB + 5, 100_000])
    location, offset, turns = replicas[0].begin_upload(repository), 0, itertools.cycle(replicas)

    for turn, size in zip(turns, sizes, strict=False):
        chunk = content[offset : offset + size]
        if not chunk:
            break
        headers = {"Content-Range": f"{offset}-{offset + len(chunk) - 1}"}
        answer = turn.http.patch(location, content=chunk, headers=headers)
        assert answer.status_code == 202, answer.text
        offset += len(chunk)
        assert answer.headers["Range"] == f"0-{offset - 1}"
        location = answer.headers["Location"].partition(turn.http.base_url.host)[2]
        location = location[location.index("/") :]
    digest = hexadecimal(content)
    status = next(turns).http.get(location)
    done = next(turns).http.put(f"{location}&digest={digest}")

    assert status.status_code == 204
    assert done.status_code == 201, done.text
    for registry in replicas:
        assert hexadecimal(registry.blob(repository, digest).content) == digest
    assert leftovers(backend) == []


def test_pushes_through_both_at_once_are_all_there(
    replicas: list[Registry], servers: list[Server], backend: Backend, repository: str
) -> None:
    """Images that share layers, in repositories that share images."""

    def push(number: int) -> tuple[str, str, str]:
        name, tag = f"{repository}/{number % 3}", f"v{number % 40}-{number // 3}"
        layers = [
            f"own {number}".encode() * 1000,
            f"shared {number % 7}".encode() * 20_000,
            f"common {number % 2}".encode() * 600_000,
        ]
        with Registry(servers[number % 2].url) as registry:
            return name, tag, registry.push_image(name, tag, layers)

    with ThreadPoolExecutor(PUSHERS) as pool:
        pushed = list(pool.map(push, range(PUSHES)))

    assert len({(name, tag) for name, tag, _ in pushed}) == PUSHES
    for number, (name, tag, digest) in enumerate(pushed):
        other = replicas[(number + 1) % 2]
        assert other.digest(name, tag) == digest
        other.verify(name, tag)
    for name in {name for name, _, _ in pushed}:
        expected = {tag for pushed_to, tag, _ in pushed if pushed_to == name}
        assert [set(registry.tags(name)) for registry in replicas] == [expected] * 2
    assert leftovers(backend) == []


def test_same_image_pushed_through_both_at_once(
    servers: list[Server], replicas: list[Registry], backend: Backend, repository: str
) -> None:
    layers = [b"the same" * 400_000, b"also the same"]

    def push(number: int) -> str:
        with Registry(servers[number % 2].url) as registry:
            return registry.push_image(repository, "1", layers)

    with ThreadPoolExecutor(PUSHERS) as pool:
        digests = set(pool.map(push, range(PUSHERS * 2)))

    (digest,) = digests
    for registry in replicas:
        assert registry.digest(repository, "1") == digest
        registry.verify(repository, "1")
    assert leftovers(backend) == []


def test_tag_moved_from_both_is_one_of_theirs_at_any_time(
    servers: list[Server], replicas: list[Registry], repository: str
) -> None:
    """Whoever reads meanwhile sees a complete image; the end is the last of one of the two."""

    def move(side: int) -> list[str]:
        with Registry(servers[side].url) as registry:
            return [
                registry.push_image(repository, "moving", [f"{side} {n}".encode() * 100])
                for n in range(MOVES)
            ]

    def look(side: int) -> list[str]:
        seen = list[str]()
        with Registry(servers[side].url) as registry:
            for _ in range(MOVES):
                digest = registry.digest(repository, "moving")
                registry.verify(repository, digest)
                seen.append(digest)
        return seen

    replicas[0].push_image(repository, "moving", [b"first"])
    with ThreadPoolExecutor(4) as pool:
        moves = [pool.submit(move, side) for side in (0, 1)]
        looks = [pool.submit(look, side) for side in (0, 1)]
        moved = [each.result() for each in moves]
        seen = {digest for each in looks for digest in each.result()}

    ends = [registry.digest(repository, "moving") for registry in replicas]
    first = {replicas[0].push_image(f"{repository}/first", "1", [b"first"])}
    assert ends[0] == ends[1]
    assert ends[0] in {moved[0][-1], moved[1][-1]}
    assert seen <= {*moved[0], *moved[1]} | first
