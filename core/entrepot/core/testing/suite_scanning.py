"""What `scan` must do: keys in byte order, from anywhere, in constant memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing

from entrepot.core.driver import Driver, Entry, Prefix
from entrepot.core.testing.bounds import Bounds
from entrepot.core.testing.material import content, find, folder, keys, put, put_all, sifted

# `-` and `.` come before `/`, digits after: a walk of folders in name order gets this wrong.
_ORDERED = ["a-b/x", "a.b/x", "a/b", "a/c/d", "a0/x", "aa", "b"]


_CHARACTERS = "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"  # in order


class Scanning(Bounds):
    async def test_scan_empty_store(self, driver: Driver) -> None:
        assert await keys(driver) == []
        assert await keys(driver, "a/") == []
        assert await folder(driver) == []

    async def test_scan_gives_keys_and_sizes(self, driver: Driver) -> None:
        await put(driver, "a/1", b"")
        await put(driver, "a/2", content(1234))

        async with aclosing(driver.scan("")) as entries:
            found = [entry async for entry in entries]

        assert all(isinstance(entry, Entry) for entry in found)
        assert [(e.key, e.size) for e in found if isinstance(e, Entry)] == [
            ("a/1", 0),
            ("a/2", 1234),
        ]

    async def test_scan_gives_keys_in_byte_order(self, driver: Driver) -> None:
        await put_all(driver, reversed(_ORDERED))

        assert await keys(driver) == _ORDERED

    async def test_scan_upper_case_before_lower_case(self, driver: Driver) -> None:
        await put_all(driver, ["b", "a/x", "B", "A/x", "_", "Z", "0"])

        assert await keys(driver) == ["0", "A/x", "B", "Z", "_", "a/x", "b"]

    async def test_scan_prefix_is_a_folder(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        assert await keys(driver, "a/") == ["a/b", "a/c/d"]

    async def test_scan_prefix_is_the_beginning_of_a_name(self, driver: Driver) -> None:
        await put_all(driver, ["c/1", "cc/1", "ccd", "d/c/1"])

        assert await keys(driver, "c") == ["c/1", "cc/1", "ccd"]
        assert await keys(driver, "cc") == ["cc/1", "ccd"]
        assert await keys(driver, "c/") == ["c/1"]

    async def test_scan_prefix_in_the_middle_of_a_name(self, driver: Driver) -> None:
        await put_all(driver, ["a/bc/1", "a/bcd/1", "a/bd", "a/c"])

        assert await keys(driver, "a/bc") == ["a/bc/1", "a/bcd/1"]
        assert await keys(driver, "a/b") == ["a/bc/1", "a/bcd/1", "a/bd"]

    async def test_scan_prefix_is_a_whole_key(self, driver: Driver) -> None:
        await put_all(driver, ["a/b", "a/bc"])

        assert await keys(driver, "a/bc") == ["a/bc"]
        assert await keys(driver, "a/bc/") == []

    async def test_scan_prefix_of_nothing(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        assert await keys(driver, "a/bb") == []
        assert await keys(driver, "x/y/z") == []

    async def test_scan_after_a_key_there_is(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        for place, key in enumerate(_ORDERED):
            assert await keys(driver, after=key) == _ORDERED[place + 1 :]

    async def test_scan_after_a_key_there_is_not(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        for after in ("A", "a", "a-", "a/", "a/b0", "a/c", "a/c/", "a/c/0", "a/c/e", "a1"):
            assert await keys(driver, after=after) == [key for key in _ORDERED if key > after]

    async def test_scan_after_the_last_key(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        assert await keys(driver, after="b") == []
        assert await keys(driver, after="zz/zz") == []

    async def test_scan_after_within_a_prefix(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        assert await keys(driver, "a/", after="a/b") == ["a/c/d"]
        assert await keys(driver, "a/", after="a/c/d") == []
        assert await keys(driver, "a", after="a/b") == ["a/c/d", "a0/x", "aa"]

    async def test_scan_after_outside_a_prefix(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        assert await keys(driver, "a/", after="Z") == ["a/b", "a/c/d"]
        assert await keys(driver, "a/", after="a-b/x") == ["a/b", "a/c/d"]
        assert await keys(driver, "a/", after="a0/x") == []

    async def test_scan_delimiter_gives_one_prefix_for_a_folder(self, driver: Driver) -> None:
        await put_all(driver, ["a/1", "a/2/3", "a/2/4", "b/1"])

        async with aclosing(driver.scan("", delimiter="/")) as entries:
            assert [entry async for entry in entries] == [Prefix("a/"), Prefix("b/")]

    async def test_scan_delimiter_merges_prefixes_and_entries(self, driver: Driver) -> None:
        await put_all(driver, ["0", "a-b/x", "a-c", "a/b", "a/c", "a0", "b/x", "c"])

        assert await folder(driver) == ["0", "<a-b/>", "a-c", "<a/>", "a0", "<b/>", "c"]

    async def test_scan_delimiter_counts_behind_the_prefix(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        assert await folder(driver, "a/") == ["a/b", "<a/c/>"]
        assert await folder(driver, "a") == ["<a-b/>", "<a.b/>", "<a/>", "<a0/>", "aa"]
        assert await folder(driver, "a/c") == ["<a/c/>"]

    async def test_scan_delimiter_after_a_prefix_it_gave(self, driver: Driver) -> None:
        """The keys below `a/` are past `a/`, so it comes again."""
        await put_all(driver, _ORDERED)

        assert await folder(driver, after="a/") == ["<a/>", "<a0/>", "aa", "b"]

    async def test_scan_delimiter_after_some_of_a_folder(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        assert await folder(driver, after="a/b") == ["<a/>", "<a0/>", "aa", "b"]
        assert await folder(driver, after="a/c/c") == ["<a/>", "<a0/>", "aa", "b"]

    async def test_scan_delimiter_after_all_of_a_folder(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        assert await folder(driver, after="a/c/d") == ["<a0/>", "aa", "b"]
        assert await folder(driver, after="a/x") == ["<a0/>", "aa", "b"]
        assert await folder(driver, "a/", after="a/c/d") == []

    async def test_scan_closed_early(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        async with asyncio.timeout(120):
            for _ in range(50):
                async with aclosing(driver.scan("")) as entries:
                    assert (await anext(entries)).key == _ORDERED[0]

            assert await keys(driver) == _ORDERED

    async def test_scan_more_than_one_page(self, driver: Driver) -> None:
        """1000 is the page of the object stores."""
        written = [f"a/{number:04d}" for number in range(1111)]
        await put_all(driver, written)

        assert await keys(driver) == written
        assert await keys(driver, "a/", after="a/0998") == written[999:]
        assert await folder(driver, "a/") == written

    async def test_scan_many_keys(self, driver: Driver) -> None:
        """Past five pages, with every character there is, from the middle of pages on."""
        written = _many_keys(self.many)
        await put_all(driver, written)

        assert await keys(driver) == written
        folders = list(dict.fromkeys(f"<{key[:4]}>" for key in written))
        assert await folder(driver, "m/") == folders
        for place in (self.many // 3, self.many // 2, self.many - 2):
            after = written[place]
            assert await keys(driver, "m/", after=after) == written[place + 1 :]
            rest = list(dict.fromkeys(f"<{key[:4]}>" for key in written[place + 1 :]))
            assert await folder(driver, "m/", after=after) == rest

    async def test_scan_prefix_is_taken_to_the_letter(self, driver: Driver) -> None:
        """`.` and `_` stand for themselves."""
        await put_all(driver, ["a-b/1", "a.b/1", "a1b/1", "a_b/1", "ab/1"])

        assert await keys(driver, "a.b") == ["a.b/1"]
        assert await keys(driver, "a_b/") == ["a_b/1"]
        assert await folder(driver, "a_") == ["<a_b/>"]

    async def test_scan_while_keys_are_written_and_deleted(self, driver: Driver) -> None:
        """What nobody touches comes once and in order."""
        kept = [f"a/{number:02d}/k" for number in range(0, 40, 2)]
        gone = [f"a/{number:02d}/k" for number in range(1, 40, 2)]
        await put_all(driver, kept + gone)

        found: list[str] = []
        async with aclosing(driver.scan("a/")) as entries:
            async for entry in entries:
                found.append(entry.key)
                if len(found) == 3:
                    await driver.delete(gone)
                    await put_all(driver, ["a/20/new", "a/new/k", "0"])

        assert found == sorted(set(found))
        assert [key for key in found if key in kept] == kept

    async def test_scans_at_once_do_not_disturb_each_other(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        found = await asyncio.gather(*(keys(driver) for _ in range(20)))

        assert found == [_ORDERED] * 20

    async def test_scan_and_read_what_it_gives(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED, b"content")

        async with aclosing(driver.scan("")) as entries:
            assert [await find(driver, e.key) async for e in entries] == [b"content"] * len(
                _ORDERED
            )

    async def test_scan_agrees_with_sorting(self, driver: Driver) -> None:
        """Prefixes, places and the delimiter in all combinations, on keys made to be awkward."""
        dice = random.Random(11)  # noqa: S311 - repeatable
        written = _awkward_keys(dice, 40)
        await put_all(driver, written)

        for _ in range(150):
            key, place = dice.choice(written), dice.choice([*written, *_awkward_keys(dice, 3)])
            prefix, after = key[: dice.randrange(len(key))], place[: dice.randrange(len(place) + 1)]
            asked = f"prefix {prefix!r}, after {after!r}"
            expected = [key for key in written if key.startswith(prefix) and key > after]

            assert (asked, await keys(driver, prefix, after=after)) == (asked, expected)
            assert (asked, await folder(driver, prefix, after=after)) == (
                asked,
                list(dict.fromkeys(_shortened(key, prefix) for key in expected)),
            )

    async def test_sift_of_all_is_a_scan(self, driver: Driver) -> None:
        await put_all(driver, _ORDERED)

        for prefix in ("", "a", "a/", "a/c", "a/c/", "b", "x/"):
            expected = [key for key in _ORDERED if key.startswith(prefix)]
            assert await sifted(driver, prefix, lambda _: True) == expected

    async def test_sift_leaves_out_folders_that_it_asked_about(self, driver: Driver) -> None:
        written = sorted([*_ORDERED, "a/c-d/x", "a/c/e/f", "a/c/e/g", "a0/y/z"])
        folders = sorted({key[: end + 1] for key in written for end in _ends(key)})
        await put_all(driver, written)

        for refused in ({"a/c/"}, {"a-b/", "a/", "a0/y/"}, {"a/c/e/", "a0/"}, set(folders)):
            asked: list[str] = []
            found = await sifted(driver, "a", _asking(asked, refused))
            left_out = refused.intersection(asked)
            assert asked == sorted(set(asked).intersection(folders))
            assert found == [
                key
                for key in written
                if key.startswith("a") and not any(map(key.startswith, left_out))
            ]

        for named, name in (("a/c/", "d"), ("a/c/e/", "none"), ("a/", "c"), ("a0/", "y")):
            found = await sifted(driver, "a", _naming(named, name))
            others = [key for key in written if key.startswith("a") and not key.startswith(named)]
            assert [key for key in found if not key.startswith(named)] == others
            assert (named + name in found) == (named + name in written)

    async def test_scan_shows_a_write_at_once(self, driver: Driver) -> None:
        for number in range(10):
            await put(driver, f"a/{number}")

            assert len(await keys(driver, "a/")) == number + 1


def _asking(asked: list[str], refused: set[str]) -> Callable[[str], bool]:
    def wanted(folder: str) -> bool:
        asked.append(folder)
        return folder not in refused

    return wanted


def _naming(folder: str, name: str) -> Callable[[str], bool | str]:
    """Wants of one folder the object of that name alone, and all that is elsewhere."""

    def wanted(asked: str) -> bool | str:
        return name if asked == folder else True

    return wanted


def _ends(key: str) -> list[int]:
    """Where the names of a key's folders end."""
    return [place for place, character in enumerate(key) if character == "/"]


def _many_keys(count: int) -> list[str]:
    """In order, in as many folders as there are characters but `.`, which alone is no name."""
    heads = _CHARACTERS.replace(".", "")
    keys = (
        f"m/{heads[number % len(heads)]}/{_CHARACTERS[number % len(_CHARACTERS)]}{number:05d}"
        for number in range(count)
    )
    return sorted(keys)


def _awkward_keys(dice: random.Random, count: int) -> list[str]:
    """Short names of characters around `/`, in order; none is a folder of another."""
    keys: set[str] = set()
    while len(keys) < count:
        names = ["".join(dice.choices("-.0aB_", k=dice.randint(1, 2))) for _ in range(3)]
        key = "/".join(f"x{name}" for name in names[: dice.randint(1, 3)])
        folders = {f"{key}/"[: end + 1] for end in range(len(key)) if key[end] == "/"}
        if not any(f"{other}/" in folders or other.startswith(f"{key}/") for other in keys):
            keys.add(key)
    return sorted(keys)


def _shortened(key: str, prefix: str) -> str:
    """The key as a scan with delimiter gives it, in the way of `folder`."""
    end = key.find("/", len(prefix))
    return key if end < 0 else f"<{key[: end + 1]}>"
