"""Blobs sent by the proxy in front, from the file that holds them.

Sources: nginx, "X-Accel"; Apache's mod_xsendfile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from entrepot.core import layout
from entrepot.core.blobs import Blob
from entrepot.core.configuration import Configuration
from entrepot.core.driver import Driver
from entrepot.core.errors import ConfigurationError
from entrepot.core.names import Digest
from entrepot.core.networks import Network, networks_of
from entrepot.server.authorization.addresses import is_from_proxy

_PROBE = layout.blob(Digest.parse("sha256:" + 64 * "0"))  # which nothing has
_DECIDED_HERE = ("if-match", "if-unmodified-since")  # the proxy would compare its own values


@dataclass(frozen=True, slots=True)
class Handover:
    """Names the file of a blob to a trusted proxy, which then sends it or a range of it.

    With a `prefix`, the file is named by it and the path below `root`, a folder with a slash at
    its end; else by its whole path. `smallest` is bytes: what is smaller is sent from here.
    """

    header: str
    prefix: str
    root: str
    smallest: int
    proxies: Sequence[Network]

    def named(self, scope: Scope, blob: Blob, driver: Driver) -> str | None:
        """What the header says in answer to a request; None: the bytes are sent from here."""
        if blob.size < self.smallest or not is_from_proxy(scope, self.proxies):
            return None
        headers = Headers(scope=scope)
        if any(name in headers for name in _DECIDED_HERE):
            return None
        path = driver.local_path(layout.blob(blob.stored))
        if path is None or not path.startswith(self.root):
            return None
        return quote(self.prefix + path.removeprefix(self.root) if self.prefix else path)

    def response(self, name: str, headers: Mapping[str, str], media_type: str) -> Response:
        """An answer without a body, which the proxy gives one; it knows ranges by itself."""
        kept = {key: value for key, value in headers.items() if key != "Accept-Ranges"}
        return Response(headers={**kept, self.header: name}, media_type=media_type)


def handover(configuration: Configuration, driver: Driver) -> Handover | None:
    """As `http.sendfile` says; None: nothing is handed over.

    Raises ConfigurationError: if the driver has no files that could be named.
    """
    section = configuration.http.sendfile
    if not section.header:
        return None
    path = driver.local_path(_PROBE)
    if path is None or not path.endswith(f"/{_PROBE}"):
        raise ConfigurationError(
            f"http.sendfile.header: the driver {configuration.storage.driver} has no files that "
            "a proxy could send; remove `http.sendfile`, or store in `filesystem`"
        )
    root = path.removesuffix(_PROBE)
    if section.header == "X-Sendfile" and quote(root) != root:
        raise ConfigurationError(
            f"http.sendfile.header: versions of mod_xsendfile differ in how they read {root!r}; "
            "store in a folder whose path has letters, digits and /._~- only"
        )
    proxies = networks_of(configuration.http.trustedproxies)
    return Handover(section.header, section.prefix, root, section.minsize, proxies)
