"""Servers of files: SFTP by OpenSSH, for the user who starts it, and WebDAV by WsgiDAV."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.services import packages
from tests.services.definition import Definition, Place, ServiceError
from tests.services.ports import HOST, answers, greets

__all__ = ["SFTP", "WEBDAV"]

_OPENSSH = ("openssh-server", "openssh-client")
_PROGRAMS = ("sshd", "ssh-keygen")
_WSGIDAV = ("wsgidav==4.4.0", "cheroot")
_SEPARATION = Path("/run/sshd")  # sshd wants it where root starts it, and a package makes it

_SSHD = """\
ListenAddress {host}:{port}
HostKey {folder}/host.key
AuthorizedKeysFile {folder}/client.key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowTcpForwarding no
X11Forwarding no
UseDNS no
MaxSessions 100
MaxStartups 100
Subsystem sftp internal-sftp -d {data}
ForceCommand internal-sftp -d {data}
"""


def _start_sftp(place: Place) -> Mapping[str, str]:
    sshd = packages.system_program("sshd")
    if sshd is None:
        raise ServiceError("sshd is not here")
    for name in ("host", "client"):
        _make_key(place.folder / f"{name}.key")
    where = f"[{HOST}]:{place.port}"
    kind, key = (place.folder / "host.key.pub").read_text().split()[:2]
    known_hosts = place.folder / "known_hosts"
    known_hosts.write_text(f"{where} {kind} {key}\n")
    settings = place.folder / "sshd_config"
    settings.write_text(
        _SSHD.format(host=HOST, port=place.port, folder=place.folder, data=place.data)
    )
    if not os.geteuid():
        _SEPARATION.mkdir(mode=0o755, exist_ok=True)
    place.spawn("sshd", sshd, "-D", "-e", "-f", settings)
    place.wait("sshd", lambda: greets(place.port, b"SSH-2.0-"))
    return {
        "host": HOST,
        "port": str(place.port),
        "user": pwd.getpwuid(os.geteuid()).pw_name,
        "key": str(place.folder / "client.key"),
        "known_hosts": str(known_hosts),
        "root": str(place.data),
    }


def _make_key(path: Path) -> None:
    """An ed25519 key without a passphrase, unless it is there."""
    if path.exists():
        return
    command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError(f"ssh-keygen: {(done.stderr or done.stdout).strip()}")


def _start_webdav(place: Place) -> Mapping[str, str]:
    user, password = "test", "testsecret"
    settings = place.folder / "wsgidav.json"
    settings.write_text(
        json.dumps(
            {
                "host": HOST,
                "port": place.port,
                "provider_mapping": {"/": str(place.data)},
                "http_authenticator": {
                    "accept_basic": True,
                    "accept_digest": False,
                    "default_to_digest": False,
                },
                "simple_dc": {"user_mapping": {"*": {user: {"password": password}}}},
                "property_manager": True,
                "lock_storage": True,
                "verbose": 1,
            }
        )
    )
    place.spawn("wsgidav", place.program("wsgidav"), "--config", settings)
    url = f"http://{HOST}:{place.port}"
    place.wait("wsgidav", lambda: answers(url, statuses=(401,)))
    return {"url": url, "user": user, "password": password}


SFTP = Definition(
    name="sftp",
    purpose="SFTP: files of the user who starts it, by a key",
    packages=_OPENSSH,
    install=lambda _: packages.debian(_PROGRAMS, _OPENSSH),
    installed=lambda _: all(packages.system_program(each) for each in _PROGRAMS),
    start=_start_sftp,
)
WEBDAV = Definition(
    name="webdav",
    purpose="WebDAV: files by HTTP, with a password",
    packages=_WSGIDAV,
    install=lambda folder: packages.python(folder, _WSGIDAV),
    installed=lambda folder: (folder / "venv" / "bin" / "wsgidav").exists(),
    start=_start_webdav,
)
