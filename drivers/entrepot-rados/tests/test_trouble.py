"""What the driver makes of time limits, refusals, full pools and answers that are lost."""

from __future__ import annotations

import errno
import itertools

import pytest
from rados_fake import KEY, FakeObject, Fault, RadosFake

from entrepot.core import (
    AccessError,
    DeleteError,
    ExistsError,
    FullError,
    NotFoundError,
    OffsetError,
    StorageError,
    UnavailableError,
)
from entrepot.core.testing.material import content, get, keys, pieces, put
from entrepot_rados import opening
from entrepot_rados.head import INLINE, inline
from entrepot_rados.opening import imported, opened
from entrepot_rados.options import RadosOptions

pytestmark = pytest.mark.anyio

LARGE = content(INLINE + 200_000)
REFUSALS: list[tuple[int, type[StorageError]]] = [
    (errno.EPERM, AccessError),
    (errno.EACCES, AccessError),
    (errno.EROFS, AccessError),
    (errno.ENOSPC, FullError),
    (errno.EDQUOT, FullError),
]


@pytest.mark.parametrize(("number", "kind"), REFUSALS)
@pytest.mark.parametrize(
    ("name", "size"), [("key:", 100), ("key:", len(LARGE)), ("chunk:", len(LARGE))]
)
async def test_refusal_leaves_what_there_was(
    fake: RadosFake, number: int, kind: type[StorageError], size: int, name: str
) -> None:
    async with opened(fake.options(), fake.binding) as driver:
        await put(driver, "a", b"old")
        before = fake.names(), fake.records("generations")
        fake.faults = [Fault("write", name, number)]
        with pytest.raises(kind) as raised:
            await put(driver, "a", LARGE[:size])

        assert raised.value.key == "a"
        assert await get(driver, "a") == b"old"
        assert await keys(driver) == ["a"]
        assert (fake.names(), fake.records("generations")) == before


async def test_full_pool_reads_and_deletes(fake: RadosFake) -> None:
    """And says at once that it is full: librados would wait."""
    async with opened(fake.options(), fake.binding) as driver:
        await put(driver, "a", LARGE)
        fake.full = errno.EDQUOT

        for data in (b"small", LARGE):
            with pytest.raises(FullError, match="quota"):
                await put(driver, "b", data)
            with pytest.raises(FullError, match="quota"):
                await driver.upload("u").append(pieces(data), 0)

        assert await get(driver, "a") == LARGE
        await driver.delete(["a"])
        assert await keys(driver) == []
        assert fake.names("key:", "chunk:") == []


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("lost", [False, True], ids=["not done", "answer lost"])
async def test_write_whose_outcome_nobody_knows(fake: RadosFake, data: bytes, lost: bool) -> None:
    """It is all there or not at all, for listings as well; and a new try decides it."""
    async with opened(fake.options(), fake.binding) as driver:
        fake.faults = [Fault("write", "key:", lost=lost)]
        with pytest.raises(UnavailableError, match="in time"):
            await put(driver, "a", data)

        assert await keys(driver) == (["a"] if lost else [])
        if lost:
            assert await get(driver, "a") == data
        await put(driver, "a", b"again")
        assert await get(driver, "a") == b"again"
        assert await keys(driver) == ["a"]


async def test_entry_that_cannot_be_made_lets_nothing_be_written(fake: RadosFake) -> None:
    async with opened(fake.options(), fake.binding) as driver:
        fake.faults = [Fault("put", "index:")]
        with pytest.raises(UnavailableError):
            await put(driver, "a")

        with pytest.raises(NotFoundError):
            await driver.stat("a")
    assert fake.names() == []


async def test_entry_that_is_not_confirmed_is_looked_at(fake: RadosFake) -> None:
    """The object is there, so the write is acknowledged."""
    async with opened(fake.options(), fake.binding) as driver:
        unconfirmed = Fault("compare", "index:")
        fake.faults = [
            Fault("write", "key:a", 0, then=lambda: fake.faults.append(unconfirmed)),
        ]
        await put(driver, "a", b"content")
        await put(driver, "b", b"content")
        fake.done.clear()

        assert unconfirmed.times == 0
        assert await keys(driver) == ["a", "b"]
        assert ("read", "key:a") in fake.done
        assert ("read", "key:b") not in fake.done


async def test_index_that_is_gone_is_no_empty_store(fake: RadosFake) -> None:
    async with opened(fake.options(), fake.binding) as driver:
        await put(driver, "a")
        for name in fake.names("index:"):
            del fake.objects[name]

        with pytest.raises(UnavailableError, match="entrepot-rados reindex"):
            await keys(driver)
        with pytest.raises(UnavailableError, match="entrepot-rados reindex"):
            await put(driver, "a")


async def test_pool_that_is_gone_is_no_absence(fake: RadosFake) -> None:
    async with opened(fake.options(), fake.binding) as driver:
        await put(driver, "a")
        with pytest.raises(NotFoundError):
            await driver.stat("b")
        fake.objects.clear()

        for asked in (driver.stat("a"), get(driver, "a"), keys(driver), put(driver, "b")):
            with pytest.raises(UnavailableError, match=r"the pool is gone|the index is damaged"):
                await asked


async def test_stale_entries_are_not_listed(fake: RadosFake) -> None:
    """Of a head that was never written, in front of folders that are there."""
    async with opened(fake.options(), fake.binding) as driver:
        for key in ("a/b", "c/d", "e/f"):
            await put(driver, key)
        fake.faults = [Fault("write", "key:a/a")]
        with pytest.raises(UnavailableError):
            await put(driver, "a/a")
        fake.faults = [Fault("write", "key:b/b")]
        with pytest.raises(UnavailableError):
            await put(driver, "b/b")

        assert await keys(driver) == ["a/b", "c/d", "e/f"]
        found = [item.key async for item in driver.scan("", delimiter="/")]
        assert found == ["a/", "c/", "e/"]


async def test_create_loses_to_one_that_came_between(fake: RadosFake) -> None:
    async with (
        opened(fake.options(), fake.binding) as driver,
        opened(fake.options(), fake.binding) as other,
    ):
        store = other.store

        def meanwhile() -> None:
            store.put("a", inline(b"theirs"), create=True)

        fake.faults = [Fault("new", "key:a", 0, then=meanwhile)]
        with pytest.raises(ExistsError):
            await put(driver, "a", b"mine", create=True)

        assert await get(driver, "a") == b"theirs"
        assert len(fake.records("index")) == 1


async def test_write_wins_over_what_came_between(fake: RadosFake) -> None:
    """It replaces that, too, with all that was behind it."""
    async with (
        opened(fake.options(), fake.binding) as driver,
        opened(fake.options(), fake.binding) as other,
    ):
        await put(driver, "a", LARGE)
        turn = itertools.count()

        def meanwhile() -> None:
            other.store.put("a", inline(b"theirs %d" % next(turn)))

        fake.faults = [Fault("compare", "key:a", 0, times=1, then=meanwhile)]
        await put(driver, "a", b"mine")

        assert next(turn) == 1
        assert await get(driver, "a") == b"mine"
        assert fake.names() == ["key:a"]
        assert len(fake.records("index")) == 1


async def test_deletion_that_fails_for_one_key(fake: RadosFake) -> None:
    named = [f"a/{number}" for number in range(50)]
    async with opened(fake.options(), fake.binding) as driver:
        for key in named:
            await put(driver, key)
        fake.faults = [Fault("remove", "key:a/33")]
        with pytest.raises(DeleteError) as raised:
            await driver.delete(named)

        assert list(raised.value.failures) == ["a/33"]
        assert await keys(driver) == ["a/33"]


async def test_deletion_while_nobody_answers_waits_for_few(fake: RadosFake) -> None:
    """Each operation takes its time to fail."""
    named = [f"a/{number}" for number in range(20)]
    async with opened(fake.options(), fake.binding) as driver:
        for key in named:
            await put(driver, key)
        gone = Fault("read", "key:", times=1000)
        fake.faults = [gone]
        with pytest.raises(DeleteError) as raised:
            await driver.delete(named)

        assert list(raised.value.failures) == named
        assert 1000 - gone.times == 2


@pytest.mark.parametrize("upload", [False, True], ids=["write", "upload"])
async def test_transfer_that_nobody_answers_is_given_up_at_once(
    fake: RadosFake, upload: bool
) -> None:
    """What is left of it is found by its record, or goes with the upload."""
    async with opened(fake.options(threads=1), fake.binding) as driver:
        fake.faults = [Fault("write", "chunk:")]
        fake.done.clear()
        storing = driver.upload("u").append(pieces(LARGE), 0) if upload else put(driver, "a", LARGE)
        with pytest.raises(UnavailableError):
            await storing

        assert not [steps for steps, _ in fake.done if "remove" in steps or "stat" in steps]
        assert len(fake.records("generations")) == 1
        await driver.upload("u").abort()
        assert bool(fake.names("chunk:")) is not upload


async def test_object_that_is_replaced_while_it_is_read(fake: RadosFake) -> None:
    """The reader gets an error, not a mixture."""
    async with opened(fake.options(threads=1), fake.binding) as driver:
        await put(driver, "a", content(3 * INLINE, seed=1))
        reading = driver.read("a")
        await anext(reading)
        await put(driver, "a", content(3 * INLINE, seed=2))

        with pytest.raises(UnavailableError, match="replaced"):
            async for _ in reading:
                pass


async def test_append_to_an_upload_that_is_being_committed(fake: RadosFake) -> None:
    async with opened(fake.options(), fake.binding) as driver:
        await driver.upload("u").append(pieces(b"content"), 0)
        fake.faults = [Fault("write", "key:b")]
        with pytest.raises(UnavailableError):
            await driver.upload("u").commit("b", 7)

        with pytest.raises(OffsetError, match="committed"):
            await driver.upload("u").append(pieces(b"more"), 7)
        with pytest.raises(OffsetError, match="another object"):
            await driver.upload("u").commit("c", 7)
        await driver.upload("u").commit("b", 7)

        assert await get(driver, "b") == b"content"
    assert fake.names() == ["key:b"]


async def test_chunks_of_an_upload_become_the_object_as_they_lie(fake: RadosFake) -> None:
    async with opened(fake.options(), fake.binding) as driver:
        await driver.upload("u").append(pieces(LARGE), 0)
        before = fake.names("chunk:")
        fake.done.clear()
        await driver.upload("u").commit("b", len(LARGE))

        assert not [name for _, name in fake.done if name.startswith("chunk:")]
        assert fake.names("chunk:") == before
        assert await get(driver, "b") == LARGE


async def test_many_small_appends_are_written_anew(fake: RadosFake) -> None:
    """Else a reader would ask for one small chunk after the other."""
    data = content(INLINE + 40_000)
    async with opened(fake.options(), fake.binding) as driver:
        await driver.upload("u").append(pieces(data[:INLINE]), 0)
        for at in range(INLINE, len(data), 1000):
            await driver.upload("u").append(pieces(data[at : at + 1000]), at)
        assert len(fake.names("chunk:")) == 16 + 40

        await driver.upload("u").commit("b", len(data))

        assert await get(driver, "b") == data
        assert len(fake.names("chunk:")) == 17
        assert len(fake.records("generations")) == 1


# -- opening ------------------------------------------------------------------------------


CONNECTIONS: list[tuple[int, type[StorageError], str]] = [
    (errno.EACCES, AccessError, r"refuses the key of 'client.me': see `username` and `keyring`"),
    (errno.EPERM, AccessError, "refuses the key"),
    (errno.ENOENT, AccessError, r"no keyring was found"),
    (errno.ETIMEDOUT, UnavailableError, r"no monitor of some.conf answers"),
]


@pytest.mark.parametrize(("number", "kind", "said"), CONNECTIONS)
async def test_connection_that_is_refused(
    fake: RadosFake, number: int, kind: type[StorageError], said: str
) -> None:
    fake.refuses_connections = number
    with pytest.raises(kind, match=said) as raised:
        async with opened(
            fake.options(username="me", key=KEY, configfile="some.conf"), fake.binding
        ):
            pass

    assert KEY not in str(raised.value)
    assert fake.clients[0].is_shut


async def test_pool_that_is_not_there(fake: RadosFake) -> None:
    with pytest.raises(AccessError, match="no pool 'other'; `ceph osd pool create other`"):
        async with opened(fake.options(poolname="other"), fake.binding):
            pass


async def test_settings_that_cannot_be_read(fake: RadosFake) -> None:
    with pytest.raises(AccessError, match="/missing cannot be read"):
        async with opened(fake.options(configfile="/missing"), fake.binding):
            pass


@pytest.mark.parametrize(("number", "kind"), REFUSALS)
async def test_pool_that_refuses_the_first_write(
    fake: RadosFake, number: int, kind: type[StorageError]
) -> None:
    fake.faults = [Fault("new", "index:", number)]
    with pytest.raises(kind):
        async with opened(fake.options(), fake.binding):
            pass


async def test_pool_of_another_program(fake: RadosFake) -> None:
    fake.objects["layout"] = FakeObject(b"something else")
    with pytest.raises(AccessError, match="another program's; set a `namespace`"):
        async with opened(fake.options(), fake.binding):
            pass


async def test_layout_of_the_first_one_holds(fake: RadosFake) -> None:
    async with opened(fake.options(indexshards=3), fake.binding) as driver:
        await put(driver, "a")
    async with opened(fake.options(indexshards=7), fake.binding) as driver:
        assert await keys(driver) == ["a"]
    assert len(fake.names("index:")) == 3


async def test_every_operation_is_bounded_and_nothing_is_printed(fake: RadosFake) -> None:
    options = fake.options(timeout=7, monitortimeout=8, connecttimeout=9, key=KEY, monitors="m1")
    async with opened(options, fake.binding):
        pass

    (client,) = fake.clients
    assert client.settings["rados_osd_op_timeout"] == "7"
    assert client.settings["rados_mon_op_timeout"] == "8"
    assert client.settings["client_mount_timeout"] == "9"
    assert client.settings["log_to_stderr"] == client.settings["err_to_stderr"] == "false"
    assert client.settings["key"] == KEY
    assert client.settings["mon_host"] == "m1"
    assert client.conffile == client.NO_CONF_FILE
    assert client.is_shut


def test_binding_that_is_missing_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError(f"no {name} here")

    monkeypatch.setattr(opening.importlib, "import_module", fail)

    with pytest.raises(AccessError, match=r"no rados here.*apt install python3-rados"):
        imported()


def test_secret_is_not_shown() -> None:
    options = RadosOptions.model_validate({"poolname": "images", "key": KEY})

    assert KEY not in repr(options)
    assert KEY not in options.model_dump_json()


def test_user_may_have_its_kind_before_it() -> None:
    options = RadosOptions.model_validate({"poolname": "images", "username": "client.me"})

    assert options.username == "me"
