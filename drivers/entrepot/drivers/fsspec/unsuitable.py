"""Filesystems that fsspec has and a registry cannot live on, each with the reason."""

from __future__ import annotations

_READ_ONLY = "it can only be read"
_ARCHIVE = "an archive's members can be neither replaced nor deleted"
_CACHE = (
    "a cache answers from what it saw last, so replicas would not see each other's pushes; "
    "leave it out, the registry has caches of its own"
)
_COMMITS = "each write is a commit, so it keeps all that was ever deleted, and is slow"

REASONS = {
    "async_wrapper": "it hides which filesystem it is; give the URL of the one behind it",
    "asyncwrapper": "it hides which filesystem it is; give the URL of the one behind it",
    "blockcache": _CACHE,
    "cached": _CACHE,
    "data": _READ_ONLY,
    "filecache": _CACHE,
    "generic": "it is many filesystems at once; give the URL of one",
    "gist": _COMMITS,
    "git": _READ_ONLY,
    "github": _READ_ONLY,
    "hf": _COMMITS,
    "http": f"{_READ_ONLY}; a server that speaks WebDAV is reached with webdav://",
    "https": f"{_READ_ONLY}; a server that speaks WebDAV is reached with webdav://",
    "libarchive": _ARCHIVE,
    "reference": _READ_ONLY,
    "simplecache": _CACHE,
    "smb": "its rename replaces nothing, and a server may refuse to replace a file that is open; "
    "mount the share and use the filesystem driver",
    "tar": _ARCHIVE,
    "zip": _ARCHIVE,
}


def protocol_of(url: str) -> str:
    """The name before `://` or `::`; a path without any is a file's."""
    first = url.partition("::")[0]
    return first.partition("://")[0] if "://" in first or "::" in url else "file"


def reason_against(url: str) -> str:
    """Why a registry cannot use this URL; empty if nothing is known against it."""
    protocol = protocol_of(url)
    if protocol == "dir" and "::" in url:
        return reason_against(url.partition("::")[2])
    if protocol in REASONS:
        return f"{protocol} is no place for a registry: {REASONS[protocol]}"
    if "::" in url:
        return f"{protocol}:: cannot stand before another filesystem here; only dir:: can"
    if protocol == "dir":
        return "dir stands before another filesystem: write dir::file:///srv/registry"
    return ""
