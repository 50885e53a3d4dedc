"""What the fsspec driver is told in a configuration, and what it says about mistakes in that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.registry import known_implementations

from entrepot.core import StorageError
from entrepot.core.configuration import Loaded, PluggedModels, load, shown
from entrepot.core.configuration.options import driver_options
from entrepot.core.errors import ConfigurationError
from entrepot.drivers.fsspec import FsspecOptions, open_fsspec

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def loaded(tmp_path: Path, section: str, environ: Mapping[str, str] | None = None) -> Loaded:
    path = tmp_path / "config.yml"
    path.write_text(f"version: 0.1\nstorage: {{fsspec: {section}}}\n", encoding="utf-8")
    return load(str(path), environ or {})


def test_options_come_from_the_file(tmp_path: Path) -> None:
    text = "{url: 'sftp://host/srv', threads: 4, timeout: 5, probe: false, options: {port: 22}}"

    options = driver_options(loaded(tmp_path, text).configuration.storage, FsspecOptions)

    assert options == FsspecOptions(
        url="sftp://host/srv", threads=4, timeout=5, probe=False, options={"port": 22}
    )


def test_options_come_from_the_environment(tmp_path: Path) -> None:
    environ = {
        "REGISTRY_STORAGE_FSSPEC_URL": "webdav://registry",
        "REGISTRY_STORAGE_FSSPEC_OPTIONS": "{base_url: 'https://host', auth: [user, pass]}",
        "REGISTRY_STORAGE_FSSPEC_OPTIONS_VERIFY": "/etc/ca.pem",
        "REGISTRY_STORAGE_FSSPEC_THREADS": "3",
    }

    storage = loaded(tmp_path, "{url: 'memory://'}", environ).configuration.storage

    assert driver_options(storage, FsspecOptions) == FsspecOptions(
        url="webdav://registry",
        threads=3,
        options={"base_url": "https://host", "auth": ["user", "pass"], "verify": "/etc/ca.pem"},
    )


def test_options_and_passwords_in_urls_are_never_shown(tmp_path: Path) -> None:
    text = "{url: 'sftp://me:s3cr3t@host/srv', options: {auth: [me, s3cr3t], pin: s3cr3t}}"

    values = shown(loaded(tmp_path, text), PluggedModels({"fsspec": FsspecOptions}))

    assert values["storage"]["fsspec"] == {
        "url": "sftp://******@host/srv",
        "options": {"auth": ["******", "******"], "pin": "******"},
    }


UNSUITABLE = [
    ("http://host/path", "can only be read; a server that speaks WebDAV"),
    ("https://host/path", "can only be read; a server that speaks WebDAV"),
    ("github://owner:repository@main/path", "can only be read"),
    ("zip://::file:///srv/a.zip", "members can be neither replaced nor deleted"),
    ("zip::file:///srv/a.zip", "members can be neither replaced nor deleted"),
    ("tar://::file:///srv/a.tar", "members can be neither replaced nor deleted"),
    ("simplecache::s3://bucket", "replicas would not see each other's pushes"),
    ("filecache::sftp://host/srv", "replicas would not see each other's pushes"),
    ("blockcache::s3://bucket", "replicas would not see each other's pushes"),
    ("dir::simplecache::s3://bucket", "replicas would not see each other's pushes"),
    ("reference://a::file:///srv", "can only be read"),
    ("hf://datasets/a/b", "each write is a commit"),
    ("smb://host/share/registry", "mount the share and use the filesystem driver"),
    ("s3://a::file:///srv", "only dir:: can"),
    ("dir:///srv", "write dir::file:///srv/registry"),
]


@pytest.mark.parametrize(("url", "reason"), UNSUITABLE)
def test_url_that_no_registry_can_use_is_a_mistake_with_its_reason(
    tmp_path: Path, url: str, reason: str
) -> None:
    storage = loaded(tmp_path, f"{{url: '{url}'}}").configuration.storage

    with pytest.raises(ConfigurationError) as caught:
        driver_options(storage, FsspecOptions)

    assert len(caught.value.mistakes) == 1
    assert caught.value.mistakes[0].startswith("storage.fsspec.url: ")
    assert reason in caught.value.mistakes[0]


@pytest.mark.parametrize(
    ("section", "mistake"),
    [
        ("{}", "storage.fsspec.url"),
        ("{url: 'memory://', treads: 3}", "threads"),
        ("{url: 'memory://', threads: 0}", "storage.fsspec.threads"),
        ("{url: 'memory://', timeout: 0}", "storage.fsspec.timeout"),
        ("{url: 'memory://', options: text}", "storage.fsspec.options"),
    ],
)
def test_mistakes_name_their_key(tmp_path: Path, section: str, mistake: str) -> None:
    storage = loaded(tmp_path, section).configuration.storage

    with pytest.raises(ConfigurationError, match=mistake):
        driver_options(storage, FsspecOptions)


async def refused(url: str, **options: Any) -> str:
    """The reason why a driver does not open."""
    with pytest.raises(StorageError) as caught:
        async with open_fsspec(FsspecOptions(url=url, options=options, timeout=10)):
            pass
    return caught.value.reason


async def test_protocol_that_nobody_knows_is_named() -> None:
    assert "fsspec knows no nosuch://" in await refused("nosuch://host/path")


async def test_protocol_whose_package_is_missing_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(
        known_implementations, "far", {"class": "not_there.Far", "err": "Install far-away"}
    )

    assert await refused("far://host") == "far:// is not installed: Install far-away"


@pytest.mark.parametrize("module", ["fsspec.implementations.sftp", "not_there"])
async def test_sftp_without_sshfs_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    def find(protocol: str) -> Any:
        if module == "not_there":
            raise ImportError(protocol)
        return type("SFTPFileSystem", (), {"__module__": module})

    monkeypatch.setattr(fsspec, "get_filesystem_class", find)

    assert "pip install sshfs" in await refused("sftp://host/srv")


async def test_option_that_the_filesystem_does_not_take_is_named() -> None:
    pytest.importorskip("webdav4")

    reason = await refused("webdav://a", base_url="http://127.0.0.1:1", pasword="s3cr3t")

    assert reason == "options: webdav:// does not take 'pasword'"


async def test_option_that_the_filesystem_needs_is_named() -> None:
    pytest.importorskip("webdav4")

    assert await refused("webdav://a") == "options: webdav:// needs 'base_url'"


async def test_option_of_sftp_that_is_unknown_is_named() -> None:
    pytest.importorskip("sshfs")

    reason = await refused("sftp://127.0.0.1:1/srv", pasword="s3cr3t")

    assert reason == "options: sftp:// does not take 'pasword'"


async def test_filesystem_without_rename_is_refused_with_the_reason() -> None:
    class Bare(fsspec.AbstractFileSystem):  # type: ignore[misc]  # fsspec is untyped
        protocol = "bare"

    library: Any = fsspec
    library.register_implementation("bare", Bare, clobber=True)

    assert "bare:// is no place for a registry: Bare has no rename" in await refused("bare://a")


async def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    assert "cannot open file://" in await refused(f"file://{tmp_path}/file/registry")
