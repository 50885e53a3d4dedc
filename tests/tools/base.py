"""Debian with its Python, in place of the official image, which may not be within reach.

python -m tests.tools.base    make the archive, unless it is there
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.tools.install import run, tools_folder

__all__ = ["base_archive"]

_WANTED = "--include=python3,python3-venv,ca-certificates"


def base_archive() -> Path:
    """A tar of the root folder, which debootstrap makes when it is asked for first."""
    archive = tools_folder() / "python-base.tar"
    if not archive.exists():
        root = tools_folder() / "python-base"
        shutil.rmtree(root, ignore_errors=True)  # of one that was interrupted
        release = re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text())
        assert release is not None
        program = tools_folder() / "bin" / "debootstrap"
        run((program, "--variant=minbase", _WANTED, release[1], root))
        run(("tar", "-C", root, "--exclude=./dev", "-cf", f"{archive}.new", "."))
        Path(f"{archive}.new").rename(archive)
        shutil.rmtree(root)
    return archive


if __name__ == "__main__":
    print(f"python-base: {base_archive()}", flush=True)
