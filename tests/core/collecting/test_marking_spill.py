"""Sets of digests larger than memory behave as sets, and leave nothing behind."""

import errno
import random
import tempfile
from typing import IO

import pytest

from entrepot.core.collecting.spill import (
    Membership,
    Records,
    Spill,
    divided,
    packed_digest,
    unpacked,
)
from entrepot.core.errors import FullError
from entrepot.core.names import ALGORITHMS, Digest


def digests(count: int) -> list[Digest]:
    algorithms = sorted(ALGORITHMS)
    return [Digest.of(str(n).encode(), algorithms[n % 7 % 3]) for n in range(count)]


def test_packed_digests_sort_as_their_texts() -> None:
    found = digests(100)

    assert sorted(found, key=str) == sorted(found, key=packed_digest)
    assert [unpacked(packed_digest(digest)) for digest in found] == found
    assert divided(b"".join(map(packed_digest, found))) == [packed_digest(one) for one in found]


@pytest.mark.parametrize("held", [1, 7, 64, 10_000])
def test_a_set(held: int) -> None:
    keys = [packed_digest(digest) for digest in digests(3000)]
    inside, outside = keys[:2000], keys[2000:]
    with Spill(held) as spill:
        for at in range(0, 2000, 13):
            spill.add(inside[at : at + 20])
        for key in random.Random(1).sample(keys, 200):
            assert (key in spill) == (key in inside)
        expected = sorted(set(inside))
        assert sorted(set(spill.between())) == expected
        assert list(spill.between()) == sorted(spill.between())
        start, stop = expected[500], expected[900]
        assert sorted(set(spill.between(start, stop))) == expected[500:900]
        assert sorted(set(spill.between(start + b"\0", stop + b"\0"))) == expected[501:901]
        asked = Membership(spill.between())
        assert [key for key in sorted(keys) if key in asked] == expected
        spill.add(outside)
        assert sorted(set(spill.between())) == sorted(keys)


def test_an_empty_set() -> None:
    with Spill() as spill:
        assert list(spill.between()) == []
        assert b"\0" not in spill
        assert b"\0" not in Membership(spill.between())


def test_two_iterations_at_a_time() -> None:
    keys = sorted(packed_digest(digest) for digest in digests(5000))
    with Spill(100) as spill:
        for at in range(0, len(keys), 100):
            spill.add(keys[at::50])
        assert all(a == b for a, b in zip(spill.between(), spill.between(), strict=True))


def test_records_come_back_as_they_went_in() -> None:
    keys = [packed_digest(digest) for digest in digests(5000)]
    records = [(str(n).encode() * (n % 3), keys[n : n + n % 5]) for n in range(len(keys))]
    with Records() as kept:
        for head, some in records:
            kept.add(head, some)
        assert list(kept) == records
        assert list(kept) == records


def test_a_full_disk_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> IO[bytes]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)

    with Spill(1) as spill, pytest.raises(FullError, match="TMPDIR"):
        spill.add([packed_digest(Digest.of(b""))])
