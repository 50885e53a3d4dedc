"""Work on a store that can be interrupted, cleans up, and never keeps the process waiting."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

import typer

from entrepot.core.errors import UnavailableError
from entrepot.core.probe import HungError
from entrepot.server.cli.reporting import tell

ResultT = TypeVar("ResultT")


def run(
    work: Coroutine[Any, Any, ResultT], name: str, seconds: float, interrupted: Callable[[], None]
) -> ResultT:
    """The result of work on the store `name`; a signal cancels it, so that it cleans up.

    Then `interrupted` is called and the command ends as the shell expects. An event loop in
    which something hangs is left open, for closing it would wait.

    Raises UnavailableError: if the driver did not open within `seconds`.
    """
    runner = asyncio.Runner()
    try:
        return runner.run(_until_told(work))
    except TimeoutError:
        raise UnavailableError("", f"{name} does not open within {seconds:g} s") from None
    except HungError:
        tell("error", [f"{name}: the driver hangs, and cannot be cancelled"])
        leave(1)
    except (KeyboardInterrupt, asyncio.CancelledError) as interruption:
        interrupted()
        raise typer.Exit(_code(interruption)) from None
    finally:
        if not asyncio.all_tasks(runner.get_loop()):
            runner.close()


def resumable(work: Coroutine[Any, Any, ResultT], continued: str) -> ResultT:
    """The result of long work on a store; a signal cancels it, so that it cleans up.

    Then the command says how it is `continued`, like "run it again to go on where it stopped",
    and ends as the shell expects: with 130 after Ctrl-C, 143 after SIGTERM.
    """
    try:
        with asyncio.Runner() as runner:
            return runner.run(_until_told(work))
    except (KeyboardInterrupt, asyncio.CancelledError) as interruption:
        tell("interrupted", [continued])
        raise typer.Exit(_code(interruption)) from None


def leave(code: int) -> NoReturn:
    """End the process whatever runs in it still."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _code(interruption: BaseException) -> int:
    signalled = signal.SIGINT if isinstance(interruption, KeyboardInterrupt) else signal.SIGTERM
    return 128 + signalled


async def _until_told(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    task = asyncio.current_task()
    assert task is not None
    with suppress(NotImplementedError, ValueError):  # Windows, or not the main thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
