"""Certificates and keys under names, for servers that want to open files."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from typing import Self

from entrepot.server.servers.material import Material


class MaterialFiles:
    """Material that has been read and checked: in memory where the system has such files."""

    def __init__(self, material: Material) -> None:
        self._held = ExitStack()
        self.chain = self._named(material.chain)
        self.key = self._named(material.key)
        self.authorities = self._named(material.authorities)

    def _named(self, content: bytes) -> str:
        if sys.platform == "linux":
            descriptor = os.memfd_create("entrepot", os.MFD_CLOEXEC)
            name = f"/proc/self/fd/{descriptor}"
        else:
            descriptor, name = tempfile.mkstemp()
            self._held.callback(os.unlink, name)
        self._held.callback(os.close, descriptor)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        return name

    def close(self) -> None:
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
