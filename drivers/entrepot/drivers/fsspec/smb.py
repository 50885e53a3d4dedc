"""SMB through smbprotocol: renames that replace, links that do not, one listing a folder."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from entrepot.core import NotFoundError
from entrepot.core.fsspec_calls import Calls, translating
from entrepot.core.fsspec_driver import FsspecDriver

smbclient: Any = import_module("smbclient")  # it is published without types


class SmbCalls(Calls):
    """fsspec's calls, with listings that do not ask for each file by itself."""

    def unc(self, key: str) -> str:
        """Where an object or a folder is, as SMB names it."""
        return f"\\\\{self.filesystem.host}{self.path(key)}".replace("/", "\\")

    async def ask(self, key: str, function: Any, *arguments: Any) -> Any:
        """A call of smbclient in a thread."""
        port = self.filesystem._port
        with translating(key):
            return await self.threads.run(lambda: function(*arguments, port=port))

    async def folder(self, key: str) -> dict[str, dict[str, Any]]:
        try:
            listed = await self.ask(key, _listed, self.unc(key))
        except NotFoundError:
            return {}
        return {f"{key}{name}": details for name, details in listed.items()}


def _listed(path: str, *, port: int) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for entry in smbclient.scandir(path, port=port):
        if entry.is_dir():
            found[f"{entry.name}/"] = {"type": "directory"}
        else:
            told = entry.smb_info
            times = {"mtime": told.last_write_time.timestamp()}
            found[entry.name] = {"type": "file", "size": told.end_of_file, **times}
    return found


class SmbDriver(FsspecDriver):
    """Objects are files. Where the server links hard, creation has one winner."""

    exclusive_create = True

    def __init__(self, filesystem: Any, root: str, *, threads: int) -> None:
        super().__init__(filesystem, root, threads=threads)
        self.calls: SmbCalls = SmbCalls(filesystem, root, self._threads)

    async def _replace(self, source: str, target: str) -> None:
        paths = self.calls.unc(source), self.calls.unc(target)
        await self.calls.ask(target, smbclient.replace, *paths)

    async def _claim(self, source: str, target: str) -> None:
        if not self.exclusive_create:
            await super()._claim(source, target)
            return
        paths = self.calls.unc(source), self.calls.unc(target)
        await self.calls.ask(target, smbclient.link, *paths)
        await self.calls.remove(source)
