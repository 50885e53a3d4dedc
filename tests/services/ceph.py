"""Ceph's S3 gateway over a cluster of one monitor and one OSD, all of it in memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from tests.services import packages
from tests.services.definition import Definition, Place, ServiceError
from tests.services.ports import HOST, answers

__all__ = ["PORTS", "RGW", "Cluster", "start_cluster"]

_PACKAGES = ("ceph-mon", "ceph-osd", "ceph-common", "radosgw", "python3-rados")
_PROGRAMS = ("ceph-mon", "ceph-osd", "ceph", "rados", "radosgw", "radosgw-admin")
_KEYS = {"accesskey": "testkey", "secretkey": "testsecret"}
PORTS = 11  # the monitor's, nine for the OSD, the gateway's
_GATEWAY = 10
_SECONDS = 90  # for a command; a gateway's first makes pools
_POOL = "registry"
_USER = "registry"  # who may use all pools, and do nothing else

_SETTINGS = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = [v2:{host}:{port}/0]
public addr = {host}
cluster addr = {host}
ms bind ipv6 = false
ms bind msgr1 = false
ms bind port min = {first}
ms bind port max = {last}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {folder}/$name.keyring
run dir = {sockets}
admin socket = {sockets}/$name.asok
log file = {logs}/$name.daemon.log
mon data = {data}/mon.a
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
mon data avail warn = 1
mon osd full ratio = .99
mon osd backfillfull ratio = .985
mon osd nearfull ratio = .98
mon max pg per osd = 500
mon allow pool delete = true
osd data = {data}/osd.0
osd objectstore = memstore
memstore device bytes = 4G
osd failsafe full ratio = .995
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd op num shards = 2
rgw frontends = beast endpoint={host}:{gateway}
rgw data = {data}/rgw.a
rgw thread pool size = 64
rgw enable usage log = false
rgw dns name = {host}
rgw gc obj min wait = 60
rgw gc processor period = 60
rgw gc processor max time = 60
"""


def _start(place: Place) -> Mapping[str, str]:
    """A new cluster every time: its store does not outlive its processes."""
    cluster = start_cluster(place)
    cluster.add_user()
    place.spawn("rgw", cluster.program("radosgw"), "-f", "-n", "client.rgw.a", env=cluster.env)
    endpoint = f"http://{HOST}:{place.port + _GATEWAY}"
    place.wait("rgw", lambda: answers(f"{endpoint}/"))
    return {"endpoint": endpoint, **_KEYS, **cluster.access}


def start_cluster(place: Place) -> Cluster:
    """The same without a gateway. The last process is the OSD."""
    cluster = Cluster(place)
    cluster.make()
    place.spawn("mon", cluster.program("ceph-mon"), "-f", "-i", "a", env=cluster.env)
    place.wait("mon", lambda: cluster.tried("ceph", "mon", "stat") is not None)
    cluster.add_osd()
    place.spawn("osd", cluster.program("ceph-osd"), "-f", "-i", "0", env=cluster.env)
    place.wait("osd", lambda: "1 up" in (cluster.tried("ceph", "osd", "stat") or ""))
    cluster.settle()
    return cluster


class Cluster:
    """The commands that make a cluster out of an empty folder."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._folder = place.folder
        self.env = {"CEPH_ARGS": f"--conf {place.folder / 'ceph.conf'}"}

    def program(self, name: str) -> Path:
        found = packages.system_program(name)
        if found is None:
            raise ServiceError(f"{name} is not here")
        return found

    def run(self, program: str, *arguments: str | Path, stdin: str = "") -> str:
        """Standard output of a command of Ceph's, which must succeed."""
        if program == "ceph":
            arguments = ("--connect-timeout", "5", *arguments)
        try:
            done = subprocess.run(
                (self.program(program), *arguments),
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=_SECONDS,
                env={**os.environ, **self.env},
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceError(f"{program} {arguments[0]}: not done in {_SECONDS} s") from error
        if done.returncode:
            raise ServiceError(f"{program} {arguments[0]}: {done.stderr.strip()[-1000:]}")
        return done.stdout

    def tried(self, program: str, *arguments: str) -> str | None:
        """The same of a command that may fail."""
        try:
            return self.run(program, *arguments)
        except ServiceError:
            return None

    @property
    def access(self) -> Mapping[str, str]:
        """What a client of the cluster itself has to know."""
        return {
            "configfile": str(self._folder / "ceph.conf"),
            "keyring": str(self._folder / f"client.{_USER}.keyring"),
            "username": _USER,
            "pool": _POOL,
        }

    def make(self) -> None:
        """Settings, keys and the monitor's store."""
        place, fsid = self._place, str(uuid.uuid4())
        shutil.rmtree(place.data)
        for name in ("mon.a", "osd.0", "rgw.a"):
            (place.data / name).mkdir(parents=True)
        for old in self._folder.glob("*.keyring"):
            old.unlink()
        settings = _SETTINGS.format(
            fsid=fsid,
            host=HOST,
            port=place.port,
            folder=self._folder,
            first=place.port + 1,
            last=place.port + _GATEWAY - 1,
            gateway=place.port + _GATEWAY,
            data=place.data,
            logs=place.logs,
            sockets=place.sockets,
        )
        (self._folder / "ceph.conf").write_text(settings)
        self._make_keys()
        address, monmap = f"[v2:{HOST}:{place.port}/0]", self._folder / "monmap"
        made = ("--create", "--clobber", "--fsid", fsid, "--addv", "a", address)
        self.run("monmaptool", *made, monmap)
        keyring = self._folder / "mon.keyring"
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)

    def _make_keys(self) -> None:
        monitor, admin = (self._folder / f"{each}.keyring" for each in ("mon", "client.admin"))
        make = ("--create-keyring", "--gen-key", "-n")
        self.run("ceph-authtool", monitor, *make, "mon.", "--cap", "mon", "allow *")
        all_of_it = [part for each in ("mon", "osd", "mgr") for part in ("--cap", each, "allow *")]
        self.run("ceph-authtool", admin, *make, "client.admin", *all_of_it)
        self.run("ceph-authtool", monitor, "--import-keyring", admin)

    def add_osd(self) -> None:
        """Tell the monitor of the OSD, and make its store."""
        number, key = str(uuid.uuid4()), self.run("ceph-authtool", "--gen-print-key").strip()
        secret = json.dumps({"cephx_secret": key})
        self.run("ceph", "osd", "new", number, "0", "-i", "-", stdin=secret)
        keyring = self._folder / "osd.0.keyring"
        self.run("ceph-authtool", "--create-keyring", keyring, "-n", "osd.0", "--add-key", key)
        self.run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", number)

    def settle(self) -> None:
        """A user and a pool for clients, until the cluster takes a write."""
        allowed = ("mon", "allow r", "osd", "allow rw")
        name, keyring = f"client.{_USER}", self._folder / f"client.{_USER}.keyring"
        self.run("ceph", "auth", "get-or-create", name, *allowed, "-o", keyring)
        self.run("ceph", "osd", "pool", "create", _POOL, "8")
        self.run("ceph", "osd", "pool", "application", "enable", _POOL, "test")
        deadline = time.monotonic() + _SECONDS
        while self.tried("rados", "-p", _POOL, "create", "ready") is None:
            if time.monotonic() > deadline:
                raise ServiceError(f"the cluster took no write within {_SECONDS} s")

    def add_user(self) -> None:
        """The gateway's own key, and a user for the tests."""
        keyring = self._folder / "client.rgw.a.keyring"
        allowed = ("mon", "allow rw", "osd", "allow rwx")
        self.run("ceph", "auth", "get-or-create", "client.rgw.a", *allowed, "-o", keyring)
        keys = ("--access-key", _KEYS["accesskey"], "--secret-key", _KEYS["secretkey"])
        self.run("radosgw-admin", "user", "create", "--uid=test", "--display-name=test", *keys)


def _install(_: Path) -> None:
    packages.debian(_PROGRAMS, _PACKAGES)
    packages.visible("rados")


def _installed(_: Path) -> bool:
    here = all(packages.system_program(each) for each in _PROGRAMS)
    return here and not packages.is_hidden("rados")


RGW = Definition(
    name="rgw",
    purpose="RADOS, and S3: Ceph's gateway, which checks signatures and lists in byte order",
    packages=_PACKAGES,
    install=_install,
    installed=_installed,
    start=_start,
    ports=PORTS,
)
