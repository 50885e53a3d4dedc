"""The suite for drivers that speak HTTP to a server: what they make of its failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from entrepot.core.driver import Driver
from entrepot.core.testing.declared import Declared
from entrepot.core.testing.material import keys, within
from entrepot.core.testing.network_calls import OpenThrough
from entrepot.core.testing.network_interrupting import Interrupting
from entrepot.core.testing.network_refusing import Refusing
from entrepot.core.testing.network_tearing import Tearing
from entrepot.core.testing.proxy import FaultProxy, proxying

_SETTLING = 5.0  # seconds for the tasks of a closed driver to end


class NetworkSuite(Refusing, Tearing, Interrupting, Declared):
    """What a driver must do when its server refuses, stalls, breaks off or is not there.

    A subclass whose name begins with `Test` overrides `upstream`, where the server is, and
    `open_through`, which opens the driver at an address, always over the same store. It must
    be empty when a test begins; **whatever is in it afterwards is deleted**.

    Set `patience` to the seconds within which your driver gives an operation up, and the
    driver's own times to less: the suite waits for them often.
    """

    @pytest.fixture
    def upstream(self) -> tuple[str, int]:
        """Override this: host and port of the server, which speaks plain HTTP."""
        pytest.fail(f"{type(self).__name__} has to override the fixture `upstream`")

    @pytest.fixture
    def open_through(self) -> OpenThrough:
        """Override this: give a function from an address to an opening of the driver.

        `return lambda address: lambda: open_ftp(FtpOptions(endpoint=f"http://{address}"))`.
        """
        pytest.fail(f"{type(self).__name__} has to override the fixture `open_through`")

    @pytest.fixture
    async def proxy(self, upstream: tuple[str, int]) -> AsyncGenerator[FaultProxy, None]:
        """What stands between the driver and its server."""
        async with proxying(*upstream) as proxy:
            yield proxy

    @pytest.fixture
    async def direct(
        self, upstream: tuple[str, int], open_through: OpenThrough
    ) -> AsyncGenerator[Driver, None]:
        """A driver past the proxy, which sees what is true."""
        async with open_through("{}:{}".format(*upstream))() as direct:
            found = await keys(direct)
            if found:
                pytest.fail(f"the suite deletes all it finds, and the store holds {found[:5]}")
            yield direct
            async with within(self.patience, "the store cannot be emptied behind the test"):
                await direct.delete(await keys(direct))

    @pytest.fixture
    async def driver(
        self, proxy: FaultProxy, direct: Driver, open_through: OpenThrough
    ) -> AsyncGenerator[Driver, None]:
        """The driver under test; closed, it must leave no task and no connection."""
        before = _tasks()
        async with open_through(proxy.address)() as driver:
            yield driver
            proxy.failures.clear()
        connections = await proxy.settled()
        if connections:
            pytest.fail(f"{connections} connections are open after the driver was closed")
        left = _tasks() - before
        if left:
            _, pending = await asyncio.wait(left, timeout=_SETTLING)
            if pending:
                pytest.fail(f"tasks go on after the driver was closed: {list(pending)[:3]}")


def _tasks() -> set[asyncio.Task[object]]:
    """All but those that anyio runs tests and fixtures with."""
    return {
        task
        for task in asyncio.all_tasks()
        if not getattr(task.get_coro(), "__qualname__", "").startswith("TestRunner.")
        and task is not asyncio.current_task()
    }
