"""OpenStack Swift: a proxy, an account, a container and an object server over one folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tests.services import packages
from tests.services.definition import Definition, Place, ServiceError
from tests.services.ports import HOST, answers, is_free

__all__ = ["SWIFT"]

_PACKAGES = ("swift==2.38.3", "setuptools<81")  # it asks for pkg_resources
_DEBIAN = ("memcached",)  # where tokens live
_SERVERS = ("account", "container", "object")
_MEMCACHED = 1 + len(_SERVERS)  # behind the proxy's port and theirs
_USER, _KEY = "test:tester", "testing"

_CLUSTER = """\
[swift-hash]
swift_hash_path_prefix = test
swift_hash_path_suffix = test
[storage-policy:0]
name = one
default = yes
"""

_SHARED = """\
[DEFAULT]
bind_ip = {host}
bind_port = {port}
workers = 0
swift_dir = {etc}
log_address = {sockets}/log
log_level = WARNING
"""

_SERVER = """\
devices = {data}
mount_check = false
disable_fallocate = true
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""

_FILTERS = (
    *("catch_errors", "gatekeeper", "healthcheck", "cache", "listing_formats", "bulk", "tempurl"),
    *("tempauth", "copy", "slo", "dlo"),
)
# Swift gives memcached two connections and up, for a minute, when a busy machine is slow.
_PROXY = f"""\
[pipeline:main]
pipeline = {" ".join(_FILTERS)} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:cache]
use = egg:swift#memcache
memcache_servers = {{host}}:{{memcached}}
memcache_max_connections = 64
pool_timeout = 30
io_timeout = 30
connect_timeout = 10
error_suppression_limit = 1000000
[filter:tempauth]
use = egg:swift#tempauth
user_{_USER.replace(":", "_")} = {_KEY} .admin
""" + "".join(
    f"[filter:{each}]\nuse = egg:swift#{each}\n"
    for each in _FILTERS
    if each not in {"cache", "tempauth"}
)

# It logs to syslog, and without a socket of it by UDP to port 514.
_LOG = """\
import os, socket, sys
if os.path.exists(sys.argv[1]):
    os.unlink(sys.argv[1])
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind(sys.argv[1])
while True:
    print(log.recv(65536).decode(errors="replace").rstrip("\\n\\0"), flush=True)
"""

# The command for it takes three steps of a second for each ring.
_RINGS = """\
import sys
from swift.common.ring import RingBuilder
for name, port in zip(("account", "container", "object"), sys.argv[2:]):
    builder = RingBuilder(6, 1, 0)
    place = {"region": 1, "zone": 1, "ip": sys.argv[1], "port": int(port), "device": "disk"}
    builder.add_dev({**place, "id": 0, "weight": 1.0})
    builder.rebalance()
    builder.get_ring().save(f"{name}.ring.gz")
"""


def _start(place: Place) -> Mapping[str, str]:
    etc = place.folder / "etc"
    etc.mkdir(exist_ok=True)
    (place.data / "disk").mkdir(exist_ok=True)
    (etc / "swift.conf").write_text(_CLUSTER)
    place.spawn("log", sys.executable, "-c", _LOG, place.sockets / "log")
    place.wait("log", (place.sockets / "log").exists)
    memcached, port = _memcached(), place.port + _MEMCACHED
    place.spawn(
        *("memcached", memcached, "-l", HOST, "-p", str(port), "-U", "0", "-m", "64"),
        *("-u", "root"),  # of effect where root starts it
    )
    _make_rings(place, etc)
    for number, name in enumerate(_SERVERS, place.port + 1):
        settings = _written(place, etc, name, number, _SERVER)
        place.spawn(name, place.program(f"swift-{name}-server"), settings)
    settings = _written(place, etc, "proxy", place.port, _PROXY)
    place.spawn("proxy", place.program("swift-proxy-server"), settings)
    endpoint = f"http://{HOST}:{place.port}"
    place.wait("proxy", lambda: answers(f"{endpoint}/healthcheck"))
    for number, name in enumerate(_SERVERS, place.port + 1):
        place.wait(name, partial(_is_taken, number))
    return {"endpoint": endpoint, "authurl": f"{endpoint}/auth/v1.0", "user": _USER, "key": _KEY}


def _is_taken(port: int) -> bool:
    return not is_free(port)


def _written(place: Place, etc: Path, name: str, port: int, settings: str) -> Path:
    """The settings of one server, in a file."""
    path = etc / f"{name}-server.conf"
    path.write_text(
        (_SHARED + settings).format(
            host=HOST,
            port=port,
            name=name,
            etc=etc,
            sockets=place.sockets,
            data=place.data,
            memcached=place.port + _MEMCACHED,
        )
    )
    return path


def _make_rings(place: Place, etc: Path) -> None:
    """Tell all servers that each of them has all partitions, one copy of each."""
    ports = [str(place.port + number) for number in range(1, 1 + len(_SERVERS))]
    command = [str(place.program("python")), "-c", _RINGS, HOST, *ports]
    done = subprocess.run(command, cwd=etc, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError(f"the rings cannot be made: {done.stderr[-1000:]}")


def _memcached() -> Path:
    found = packages.system_program("memcached")
    if found is None:
        raise ServiceError("memcached is not here")
    return found


def _install(folder: Path) -> None:
    packages.debian(("memcached",), _DEBIAN)
    packages.python(folder, _PACKAGES)


SWIFT = Definition(
    name="swift",
    purpose="Swift: OpenStack's own servers with temporary tokens of their own",
    packages=(*_PACKAGES, *_DEBIAN),
    install=_install,
    installed=lambda folder: (
        (folder / "venv/bin/swift-proxy-server").exists()
        and packages.system_program("memcached") is not None
    ),
    start=_start,
    ports=_MEMCACHED + 1,
)
