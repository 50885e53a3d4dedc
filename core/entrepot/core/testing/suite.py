"""The conformance suite: subclass `DriverSuite`, write one fixture, run pytest."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from entrepot.core.driver import Driver
from entrepot.core.testing.declared import Declared
from entrepot.core.testing.material import keys, within
from entrepot.core.testing.suite_cancelling import Cancelling
from entrepot.core.testing.suite_committing import Committing
from entrepot.core.testing.suite_copying import Copying
from entrepot.core.testing.suite_creating import Creating
from entrepot.core.testing.suite_deleting import Deleting
from entrepot.core.testing.suite_huge import Huge
from entrepot.core.testing.suite_leaking import Leaking
from entrepot.core.testing.suite_processes import Processes
from entrepot.core.testing.suite_reading import Reading
from entrepot.core.testing.suite_scanning import Scanning
from entrepot.core.testing.suite_serving import Serving
from entrepot.core.testing.suite_sharing import Sharing
from entrepot.core.testing.suite_uploading import Uploading
from entrepot.core.testing.suite_writing import Writing

Opening = Callable[[], AbstractAsyncContextManager[Driver]]
"""Opens a driver over always the same store."""


class DriverSuite(
    Reading,
    Writing,
    Creating,
    Deleting,
    Scanning,
    Copying,
    Uploading,
    Committing,
    Cancelling,
    Leaking,
    Sharing,
    Processes,
    Serving,
    Huge,
    Declared,
):
    """Every behaviour of the driver contract, one test each.

    A subclass whose name begins with `Test` overrides the fixture `open_driver`. The store
    must be empty when a test begins; **whatever is in it afterwards is deleted**.

    A test that the backend cannot pass is named in `deviations` with the reason. It is then
    expected to fail, and fails the run if it passes. Tests cannot be replaced.
    """

    @pytest.fixture
    def open_driver(self) -> Opening | None:
        """Override this: give a function that opens a driver over this test's store.

        It is called once for `driver` and again for `second`, so both must see one store:
        `return lambda: open_ftp(FtpOptions(root=str(tmp_path)))`.
        """
        return None

    @pytest.fixture
    async def driver(self, open_driver: Opening | None) -> AsyncGenerator[Driver, None]:
        """The driver under test; override it instead only if a store has but one instance."""
        if open_driver is None:
            pytest.fail(f"{type(self).__name__} has to override the fixture `open_driver`")
        async with open_driver() as driver:
            yield driver

    @pytest.fixture
    async def second(self, open_driver: Opening | None) -> AsyncGenerator[Driver, None]:
        """Another instance over the store of `driver`, like another replica's."""
        if open_driver is None:
            pytest.skip("only `driver` is overridden: there is no second instance of it")
        async with open_driver() as second:
            yield second

    @pytest.fixture(autouse=True)
    async def emptied(self, driver: Driver) -> AsyncGenerator[None, None]:
        """Refuses a store with something in it; afterwards deletes all and looks for the rest."""
        found = await keys(driver)
        if found:
            pytest.fail(f"the suite deletes all it finds, and the store holds {found[:5]}")
        yield
        async with within(self.patience, "the store cannot be emptied behind the test"):
            await driver.delete(await keys(driver))
            left = await keys(driver)
        if left:
            pytest.fail(f"deleted, but still listed: {left[:5]} ({len(left)} keys)")
