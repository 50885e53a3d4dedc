"""Installs, starts and stops the storage servers of the outer test loop, on loopback only.

    python tests/services/run.py install [NAME ...]        these, or all
    python tests/services/run.py start [NAME[=PORT] ...]   these, or all
    python tests/services/run.py stop [NAME ...]           all that were started here
    python tests/services/run.py wipe [NAME ...]           stop, and remove what they store
    python tests/services/run.py status                    exit code 1 unless all started ones run
    python tests/services/run.py list

Everything is kept in the folder named by ENTREPOT_SERVICES (`.services` at the top of the
repository by default), but for Debian's packages. No server reports to anybody.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.services import ports, records
from tests.services.catalogue import SERVICES
from tests.services.definition import Definition, Place, ServiceError
from tests.services.processes import end, runs
from tests.services.running import services_folder


def install(service: Definition) -> str:
    """Install what a server needs, unless it is there."""
    folder = services_folder() / service.name
    if service.installed(folder):
        return "is installed"
    folder.mkdir(parents=True, exist_ok=True)
    service.install(folder)
    if not service.installed(folder):
        raise ServiceError(f"{', '.join(service.packages)}: installed, and its program is missing")
    return "installed"


def start(service: Definition, port: int | None = None) -> str:
    """Start a server and wait until it is ready; one that runs is left alone."""
    processes, values = records.remembered(service.name)
    if processes and all(runs(each) for each in processes):
        return f"runs: {shown(values)}"
    end(processes, service.grace)
    folder = services_folder().resolve() / service.name
    if not service.installed(folder):
        raise ServiceError(f"not installed: python tests/services/run.py install {service.name}")
    folder.mkdir(parents=True, exist_ok=True)
    place = Place(folder, port or ports.choose(service.ports), service.memory)
    if not ports.is_free(place.port):
        raise ServiceError(f"port {place.port} is taken")
    try:
        values = dict(service.start(place))
    except BaseException:
        place.end(service.grace)
        raise
    records.remember(service.name, place.processes, values)
    return f"started: {shown(values)}"


def stop(service: Definition) -> str:
    """End a server's processes, the youngest first."""
    processes, _ = records.remembered(service.name)
    living = [each for each in processes if runs(each)]
    for process in reversed(living):
        end([process], service.grace)
    records.forget(service.name)
    return "stopped" if living else "did not run"


def wipe(service: Definition) -> str:
    """Stop a server and remove what it stores."""
    said = stop(service)
    shutil.rmtree(services_folder() / service.name / "data", ignore_errors=True)
    return f"{said}, wiped"


def status(service: Definition) -> str:
    """Whether a server that was started still runs."""
    processes, values = records.remembered(service.name)
    if not values:
        return "not started"
    if not processes or not all(runs(each) for each in processes):
        raise ServiceError("was started and does not run any more")
    return f"runs as {', '.join(str(each.pid) for each in processes)}: {shown(values)}"


def describe(service: Definition) -> str:
    """What a server is for, and what it comes from."""
    return f"{service.purpose} ({', '.join(service.packages)})"


def shown(values: dict[str, str]) -> str:
    """Where a server is; what it keeps secret is in its file."""
    return (
        values.get("endpoint")
        or values.get("serviceurl")
        or values.get("url")
        or (f"{values.get('host')}:{values.get('port')}")
    )


COMMANDS: dict[str, Callable[[Definition], str]] = {
    "install": install,
    "start": start,
    "stop": stop,
    "status": status,
    "list": describe,
    "wipe": wipe,
}


def chosen(command: str, named: Sequence[str]) -> list[tuple[Definition, int | None]]:
    """The servers that a command is for, and the ports asked for."""
    if not named:
        return [(each, None) for each in SERVICES.values()]
    found = list[tuple[Definition, int | None]]()
    for text in named:
        name, _, port = text.partition("=")
        if name not in SERVICES:
            raise ServiceError(f"{name}: no such server; there are {', '.join(SERVICES)}")
        if port and (command != "start" or not port.isdecimal()):
            raise ServiceError(f"{text}: a port is for start, and a number")
        found.append((SERVICES[name], int(port) if port else None))
    return found


@contextmanager
def alone() -> Generator[None, None, None]:
    """One such program at a time works on the folder."""
    services_folder().mkdir(parents=True, exist_ok=True)
    with (services_folder() / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def carry_out(command: str, service: Definition, port: int | None) -> bool:
    """Do it and say so; False if it failed."""
    began = time.monotonic()
    try:
        said = start(service, port) if port else COMMANDS[command](service)
    except (ServiceError, OSError) as error:
        print(f"{service.name}: {command}: {error}", file=sys.stderr, flush=True)
        return False
    took = f" ({time.monotonic() - began:.1f} s)" if command in {"install", "start"} else ""
    print(f"{service.name}: {said}{took}", flush=True)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; the exit code is 1 if anything failed, 2 for a mistake in the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("names", nargs="*", metavar="NAME", help="servers: " + ", ".join(SERVICES))
    options = parser.parse_args(arguments)
    try:
        services = chosen(options.command, options.names)
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 2
    with alone():
        done = [carry_out(options.command, *each) for each in services]
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
