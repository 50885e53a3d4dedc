"""Running hashes: any algorithm, saved anywhere, in the form Go's crypto packages use."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.core import hashing
from entrepot.core.names import ALGORITHMS
from entrepot.core.streams import drain
from entrepot.core.threads import Threads


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(content=st.binary(max_size=400), cut=st.integers(0, 400))
def test_hash_goes_on_from_a_saved_state(algorithm: str, content: bytes, cut: int) -> None:
    first = hashing.begin(algorithm)
    first.update(content[:cut])
    saved = first.state()
    assert saved is not None

    second = hashing.resume(algorithm, saved, len(content[:cut]))

    assert second is not None
    second.update(content[cut:])
    assert second.digest().hex == hashlib.new(algorithm, content).hexdigest()
    assert second.length == len(content)


def test_digest_leaves_the_hash_usable() -> None:
    running = hashing.begin("sha256")
    running.update(b"ab")

    assert running.digest() == running.digest()

    running.update(b"c")
    assert running.digest().hex == hashlib.sha256(b"abc").hexdigest()


def test_state_is_the_one_that_go_marshals() -> None:
    # crypto/sha256.New(), Write("abc"), MarshalBinary(): the initial words, then the block
    words = "6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19"
    want = b"sha\x03" + bytes.fromhex(words) + b"abc".ljust(64, b"\0") + (3).to_bytes(8, "big")
    running = hashing.begin("sha256")
    running.update(b"abc")

    assert running.state() == want


@pytest.mark.parametrize(
    "saved",
    [b"", b"sha\x03", b"\0" * 108, b"sha\x04" + b"\0" * 200],
    ids=["empty", "short", "no magic", "another algorithm"],
)
def test_resume_refuses_what_is_no_state(saved: bytes) -> None:
    assert hashing.resume("sha256", saved, 0) is None


def test_resume_refuses_the_state_of_another_offset() -> None:
    running = hashing.begin("sha256")
    running.update(b"abc")
    saved = running.state()
    assert saved is not None

    assert hashing.resume("sha256", saved, 4) is None


@pytest.mark.anyio
async def test_hashed_passes_every_chunk_on_and_hashes_it() -> None:
    parts = [b"a" * 10, b"b" * (2 * hashing.INLINE), b"", b"c" * (3 * hashing.INLINE)]
    running = hashing.begin("sha512")

    async def chunks() -> AsyncGenerator[bytes, None]:
        for part in parts:
            yield part

    threads = Threads(1)
    passed = [chunk async for chunk in hashing.hashed(chunks(), running, threads)]
    threads.close()

    assert passed == parts
    assert running.digest().hex == hashlib.sha512(b"".join(parts)).hexdigest()


@pytest.mark.anyio
async def test_hashed_lets_no_thread_run_on_after_an_error() -> None:
    running = hashing.begin("sha256")

    async def broken() -> AsyncGenerator[bytes, None]:
        yield bytes(4 * hashing.INLINE)
        raise ConnectionError

    threads = Threads(1)
    with pytest.raises(ConnectionError):
        await drain(hashing.hashed(broken(), running, threads))

    assert running.length == 4 * hashing.INLINE
    threads.close()
