"""Install the plug-ins that have wheels in a folder beside Entrepot, and take them out again.

    python plugged.py WHEELS ENVIRONMENT

The environment has Entrepot from its wheel, and nothing else. First the plug-ins come without what
they require: the registry serves, and `entrepot plugins` says what to install. They go without a
trace. Then they come with it, and their drivers work.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

WHEELS, ENVIRONMENT = (Path(each).resolve() for each in sys.argv[1:3])
BIN = ENVIRONMENT / "bin"
UNCOMPILED = {"PYTHONDONTWRITEBYTECODE": "1"}  # so that only pip adds files
NEEDS = re.compile(r"needs (?P<module>[\w.]+), which is not installed(?:: (?P<command>.+))?")


def main() -> int:
    wheels = sorted(WHEELS.glob("entrepot_*.whl"))
    required = {distribution(wheel): requirements(wheel) for wheel in wheels}
    assert required, f"no wheels of plug-ins in {WHEELS}"
    before = files()

    pip("install", "--no-deps", *wheels)
    lacking = [name for name, status in told().items() if is_explained(status, required[name])]
    assert lacking, "no plug-in lacks anything: nothing was tried"
    serve()
    pip("uninstall", "--yes", *required)
    assert files() == before, f"left behind: {sorted(files() ^ before)}"
    assert not told(), "a plug-in is listed that is gone"
    serve()

    pip("install", *wheels)
    statuses = told()
    assert statuses.keys() == required.keys(), statuses
    for name, status in statuses.items():
        still = NEEDS.fullmatch(status)
        is_pips = still and (still["command"] or "").startswith("pip ")
        assert status == "ok" or (still and not is_pips), f"{name}: {status}"
    drivers = entrepot("drivers")
    print(drivers)
    assert all(name in drivers for name in required)
    print(f"{', '.join(required)}: installed and gone; without what they require: {lacking}")
    return 0


def is_explained(status: str, required: Iterable[str]) -> bool:
    """Whether a plug-in lacks something and says so; it may do that in no other way."""
    found = NEEDS.fullmatch(status)
    assert found or status == "ok", status
    if found and found["module"] in required:
        assert found["command"], f"{status!r} does not say what to install"
    return found is not None


def metadata(wheel: Path, field: str) -> list[str]:
    with ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return [str(each) for each in message_from_bytes(archive.read(path)).get_all(field, [])]


def distribution(wheel: Path) -> str:
    return metadata(wheel, "Name")[0]


def requirements(wheel: Path) -> set[str]:
    """Modules of the packages that it requires, as far as their names tell."""
    plain = (each for each in metadata(wheel, "Requires-Dist") if "extra ==" not in each)
    return {re.split(r"[^\w-]", each)[0].replace("-", "_") for each in plain}


def run(*command: str | Path) -> str:
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, cwd="/", env=os.environ | UNCOMPILED
    ).stdout


def pip(*arguments: str | Path) -> None:
    run(BIN / "pip", "--quiet", "--disable-pip-version-check", *arguments)


def entrepot(*arguments: str) -> str:
    return run(BIN / "entrepot", *arguments)


def told() -> dict[str, str]:
    """What `entrepot plugins` says of each distribution that is not Entrepot itself."""
    heading, *lines = entrepot("plugins").splitlines()
    at, end = heading.index("package"), heading.index("status")
    rows = ((line[at:].split(" ", 1)[0], line[end:].strip()) for line in lines)
    return {name: status for name, status in rows if name != "entrepot"}


def files() -> set[str]:
    return {str(path.relative_to(ENVIRONMENT)) for path in ENVIRONMENT.rglob("*")}


def serve() -> None:
    """A registry on the driver that needs nothing answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yml")
        storage = f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}"
        config.write_text(f"version: 0.1\n{storage}\nhttp: {{addr: '{address}'}}\n")
        log = Path(folder, "log")
        command = (BIN / "entrepot", "serve", config)
        env = os.environ | UNCOMPILED
        with (
            log.open("wb") as said,
            subprocess.Popen(command, stdout=said, stderr=said, env=env) as server,
        ):
            try:
                assert answers(f"http://{address}/v2/", server), log.read_text()
            finally:
                server.terminate()


def answers(url: str, server: subprocess.Popen[bytes]) -> bool:
    """Whether it does so before it ends, or a minute does."""
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except OSError:
            time.sleep(0.1)
    return False


if __name__ == "__main__":
    raise SystemExit(main())
