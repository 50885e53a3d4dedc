"""What nginx saves by sending blobs itself: pulls through it, streamed and by X-Accel-Redirect.

    python benchmarks/handover.py [--mebibytes N] [--rounds N]

Two registries over folders of their own, each behind an nginx configured as in docs/deployment but
for TLS, are pulled from in turns. What counts is the processor time of registry and nginx together.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import processes, servers, transfers
from benchmarks.content import Blob, Content
from benchmarks.failures import BenchmarkError
from benchmarks.stages import GIB, MIB
from benchmarks.wire import Address, Connection

CONF = Path(__file__).resolve().parents[1] / "docs" / "deployment" / "nginx-files.conf"
NAME = "bench/large"
WAYS: Mapping[str, Mapping[str, str]] = {
    "proxied": {},
    "X-Accel-Redirect": {
        "REGISTRY_HTTP_TRUSTEDPROXIES": "[127.0.0.1]",
        "REGISTRY_HTTP_SENDFILE_HEADER": "X-Accel-Redirect",
        "REGISTRY_HTTP_SENDFILE_PREFIX": "/entrepot-blobs/",
    },
}


@dataclass(frozen=True, slots=True)
class Place:
    """A registry and what is in front of it, by their process ids."""

    registry: int
    proxy: int
    address: Address

    def spent(self) -> tuple[float, float]:
        return (
            processes.processor_seconds(self.registry),
            processes.processor_seconds(self.proxy),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments say; the exit code."""
    parser = argparse.ArgumentParser(description="What nginx saves by sending blobs itself.")
    parser.add_argument("--mebibytes", type=int, default=1024, help="of the blob")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ours", default="", help="how Entrepot is started")
    options = parser.parse_args(arguments)
    try:
        _measure(options.mebibytes * MIB, options.rounds, options.ours)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _measure(size: int, rounds: int, ours: str) -> None:
    program, *_ = servers.find([servers.OURS], ours)
    found: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="entrepot-bench-") as name, ExitStack() as stack:
        blob = Content(Path(name) / "content", [size]).blob(size)
        places: dict[str, Place] = {}
        for way, variables in WAYS.items():
            folder = Path(name) / way
            started = servers.running(replace(program, env=variables), folder)
            server = stack.enter_context(started)
            places[way] = stack.enter_context(_behind_nginx(server, folder))
            with Connection(server.address) as connection:
                transfers.push_patch(connection, NAME, blob)
        for place in places.values():
            _pull(place, blob)  # so that everything comes from memory
        for _ in range(rounds):
            for way, place in places.items():
                registry, proxy, wall = (part * GIB / size for part in _pull(place, blob))
                found[way].append((registry, proxy, wall))
    _show(found)


def _pull(place: Place, blob: Blob) -> tuple[float, float, float]:
    """Processor seconds of registry and proxy, and seconds by the clock."""
    before, begun = place.spent(), time.monotonic()
    with Connection(place.address) as connection:
        transfers.pull(connection, NAME, blob)
    wall = time.monotonic() - begun
    registry, proxy = (now - then for now, then in zip(place.spent(), before, strict=True))
    return registry, proxy, wall


def _show(found: dict[str, list[tuple[float, float, float]]]) -> None:
    print("pull through nginx           registry     nginx  together  (CPU s / GiB)  wall s / GiB")
    together: dict[str, float] = {}
    for way, figures in found.items():
        registry, proxy, wall = (median(column) for column in zip(*figures, strict=True))
        together[way] = median(one + other for one, other, _ in figures)
        print(f"{way:26}  {registry:9.2f} {proxy:9.2f} {together[way]:9.2f}  {wall:28.2f}")
    proxied, handed = (together[way] for way in WAYS)
    if proxied:  # a small blob may take no time that can be measured
        print(f"X-Accel-Redirect takes {handed / proxied:.2f} of the processor time")


@contextmanager
def _behind_nginx(server: servers.Server, folder: Path) -> Generator[Place, None, None]:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise BenchmarkError("nginx is not here: python tests/tools/install.py nginx")
    port = servers.free_port()
    _write_configuration(server, folder, port)
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with subprocess.Popen(command) as process:
        try:
            place = Place(server.pid, process.pid, ("127.0.0.1", port))
            _wait(process, place.address)
            yield place
        finally:
            process.terminate()


def _write_configuration(server: servers.Server, folder: Path, port: int) -> None:
    text = CONF.read_text()
    for documented, here in (
        ("127.0.0.1:5000", f"127.0.0.1:{server.address[1]}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port}"),
        ("http2 on;", ""),
        ("ssl_certificate /run/secrets/certificate.pem;", ""),
        ("ssl_certificate_key /run/secrets/key.pem;", ""),
        ("access_log /dev/stdout", "access_log off"),
        ("alias /var/lib/registry/", f'alias "{folder}/root/"'),
    ):
        if documented not in text:
            raise BenchmarkError(f"{CONF.name} has no {documented!r} any more")
        text = text.replace(documented, here)
    user = "user root;\n" if os.geteuid() == 0 else ""
    log = f"error_log {folder}/error.log;\n"
    (folder / "nginx.conf").write_text(f"daemon off;\n{user}pid {folder}/pid;\n{log}{text}")


def _wait(process: subprocess.Popen[bytes], address: Address) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with Connection(address) as connection:
                if connection.ask("GET", "/v2/").status == 200:
                    return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError("nginx did not start") from None
            time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
