"""What is kept of credentials that were right, how long, and how much of it."""

from __future__ import annotations

from entrepot.server.authentication.verified import Verified


def test_result_holds_until_its_end() -> None:
    kept: Verified[str] = Verified(10)
    key = kept.key(b"secret")

    kept.put(key, "alice", 5.0)

    assert kept.get(key, 5.0) == "alice"
    assert kept.get(key, 5.1) is None
    assert len(kept) == 0, "what has ended is not kept"


def test_no_more_is_kept_than_there_is_room_for() -> None:
    kept: Verified[int] = Verified(3)
    keys = [kept.key(bytes([number])) for number in range(5)]

    for number, key in enumerate(keys):
        kept.put(key, number, 1.0)
        kept.put(key, number, 1.0)

    assert [kept.get(key, 0.0) for key in keys] == [None, None, 2, 3, 4]


def test_nothing_is_kept_after_clearing() -> None:
    kept: Verified[int] = Verified(3)
    kept.put(kept.key(b"a"), 1, 1.0)

    kept.clear()

    assert kept.get(kept.key(b"a"), 0.0) is None


def test_keys_are_other_ones_in_every_process() -> None:
    one: Verified[int] = Verified(1)
    other: Verified[int] = Verified(1)

    assert one.key(b"secret") == one.key(b"secret")
    assert one.key(b"secret") != other.key(b"secret")
    assert b"secret" not in one.key(b"secret")
