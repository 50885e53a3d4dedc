"""A Samba server of a test's own, where Debian's package is installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.services.definition import Place
from tests.services.ports import HOST, choose
from tests.services.processes import MIB

from entrepot.drivers.fsspec import FsspecOptions

_PASSWORD = "testsecret"
_SETTINGS = """\
[global]
server role = standalone server
interfaces = lo
bind interfaces only = yes
smb ports = {port}
disable netbios = yes
disable spoolss = yes
load printers = no
server min protocol = SMB2
passdb backend = tdbsam:{folder}/passdb.tdb
private dir = {folder}
lock directory = {folder}
state directory = {folder}
cache directory = {folder}
pid directory = {folder}
ncalrpc dir = {folder}/ncalrpc
log file = {folder}/smbd.log
[share]
path = {data}
read only = no
case sensitive = yes
"""


@contextmanager
def samba(folder: Path) -> Generator[FsspecOptions, None, None]:
    """The options of a driver over a new server's empty share."""
    if shutil.which("smbd") is None:
        pytest.skip("smbd is not installed: apt-get install samba")
    place = Place(folder, choose(1), 1024 * MIB)
    settings = folder / "smb.conf"
    settings.write_text(_SETTINGS.format(port=place.port, folder=folder, data=place.data))
    twice = f"{_PASSWORD}\n{_PASSWORD}\n"
    adding = ["smbpasswd", "-c", str(settings), "-a", "-s", "root"]
    subprocess.run(adding, input=twice, text=True, check=True, capture_output=True)
    smbd = ["smbd", "--foreground", "--no-process-group", "--configfile", str(settings)]
    try:
        place.spawn("smbd", *smbd)
        place.wait("smbd", lambda: _listens(place.port))
        yield FsspecOptions(
            url=f"smb://root@{HOST}:{place.port}/share/registry", options={"password": _PASSWORD}
        )
    finally:
        place.end(5.0)


def _listens(port: int) -> bool:

    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return False
    return True
