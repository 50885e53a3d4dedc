"""Where the storage servers come from: PyPI, npm and Debian, each into its own place."""

from __future__ import annotations

import os
import shutil
import sysconfig
import venv
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.services.definition import ServiceError
from tests.tools.install import SYSTEM_PATH, InstallError, install_packages, run

__all__ = ["debian", "is_hidden", "npm", "python", "system_program", "visible"]

_DEBIAN_MODULES = Path("/usr/lib/python3/dist-packages")


def python(folder: Path, packages: Sequence[str]) -> None:
    """Install packages of PyPI into a Python environment of their own in `folder`."""
    target = folder / "venv"
    if not (target / "bin" / "pip").exists():
        venv.create(target, with_pip=True, symlinks=True, clear=True)
    _run(target / "bin" / "pip", "install", "-q", "--disable-pip-version-check", *packages)


def npm(folder: Path, packages: Sequence[str]) -> None:
    """Install packages of the npm registry into `npm` in `folder`."""
    program = system_program("npm")
    if program is None:
        raise ServiceError("npm is not here: install Node.js and npm (Debian: nodejs, npm)")
    target = folder / "npm"
    target.mkdir(parents=True, exist_ok=True)  # npm installs elsewhere if it is missing
    options = ("--silent", "--no-audit", "--no-fund", "--prefix", target)
    _run(program, "install", *options, *packages)


def debian(programs: Sequence[str], packages: Sequence[str]) -> None:
    """Install Debian packages unless their programs are here; their daemons are not started."""
    missing = [each for each in programs if system_program(each) is None]
    if not missing:
        return
    if os.geteuid():
        wanted = " ".join(packages)
        raise ServiceError(f"{', '.join(missing)}: not here; as root: apt-get install {wanted}")
    try:
        install_packages(packages)
    except InstallError as error:
        raise ServiceError(str(error)) from error


def is_hidden(module: str) -> bool:
    """Whether Debian has a compiled module for this very Python, which cannot import it."""
    return find_spec(module) is None and _compiled(module).exists()


def visible(module: str) -> None:
    """Let this environment import a compiled module of Debian's, if that is for its Python."""
    if is_hidden(module):
        here = Path(sysconfig.get_path("platlib")) / _compiled(module).name
        here.unlink(missing_ok=True)
        here.symlink_to(_compiled(module))


def _compiled(module: str) -> Path:
    return _DEBIAN_MODULES / f"{module}{sysconfig.get_config_var('EXT_SUFFIX')}"


def system_program(name: str) -> Path | None:
    """Where a program of the machine is, in folders that plain users may not search, too."""
    found = shutil.which(name) or shutil.which(name, path=SYSTEM_PATH)
    return Path(found) if found else None


def _run(*command: str | Path) -> None:
    try:
        run(command)
    except InstallError as error:
        raise ServiceError(str(error)) from error
