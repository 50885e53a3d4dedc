"""The conformance program of the OCI distribution specification against our server."""

import subprocess
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.real.backends import CLOUDS, open_backend
from tests.real.programs import clean_environment, require_tool
from tests.real.servers import Server, StartEntrepot

INMEMORY: dict[str, object] = {"storage": {"inmemory": {}, "delete": {"enabled": True}}}
SLOW = "swift"  # wide, as its suite is, for the same reason
STORAGES = ("filesystem", "inmemory", *CLOUDS, "oss", "rados", SLOW)
VERSIONS = {"stable": "1.1", "dev": "dev"}


def wide(storage: str, version: str) -> bool:
    """In CI, the version that came first is for one storage, and the coming one for all."""
    return storage == SLOW or (version == "stable" and storage != STORAGES[0])


pytestmark = pytest.mark.parametrize(
    ("registry", "results"),
    [
        pytest.param(
            storage,
            version,
            id=f"{version}-{storage}",
            marks=[pytest.mark.wide] if wide(storage, version) else [],
        )
        for storage in STORAGES
        for version in VERSIONS
    ],
    indirect=True,
    scope="module",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test of the conformance program."""

    name: str
    status: str
    complaint: str

    @property
    def disabled(self) -> bool:
        """Whether the program left the test out by its own settings: it then gives no reason."""
        return self.status == "skipped" and not self.complaint


@pytest.fixture(scope="module")
def registry(
    request: pytest.FixtureRequest, entrepot_server: StartEntrepot
) -> Generator[Server, None, None]:
    """Our server on each of the storages."""
    with ExitStack() as stack:
        config = INMEMORY
        if request.param != "inmemory":
            config = stack.enter_context(open_backend(request.param)).configuration
        server = entrepot_server(config)
        yield server
        server.stop()


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest,
    registry: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Outcome]:
    """What the program found, for each version of the specification."""
    version: str = request.param
    folder = tmp_path_factory.mktemp(version)
    conformance(registry, VERSIONS[version], folder)
    report = folder / "junit.xml"
    assert report.exists(), "the conformance program wrote no report"
    return [
        Outcome(case.attrib["name"], case.attrib["status"], case.findtext("system-out", ""))
        for case in ET.parse(report).iter("testcase")
    ]


def conformance(server: Server, version: str, folder: Path) -> None:
    """Run the program; its exit code says no more than its report, and is not looked at."""
    settings = {
        "OCI_REGISTRY": server.address,
        "OCI_TLS": "disabled",
        "OCI_VERSION": version,
        "OCI_REPO1": f"conformance/{folder.name}-1",
        "OCI_REPO2": f"conformance/{folder.name}-2",
        "OCI_RESULTS_DIR": str(folder),
    }
    subprocess.run(
        (require_tool("oci-conformance"),),
        env=clean_environment() | settings,
        cwd=folder,
        capture_output=True,
        timeout=300,
        check=False,
    )


def test_conformance_finds_no_failure(results: list[Outcome]) -> None:
    failures = [
        f"{each.name}: {each.complaint}"
        for each in results
        if each.status not in {"passed", "skipped"}
    ]

    assert len(results) > 600
    assert not failures, "\n".join((f"{len(failures)} of {len(results)} failed", *failures))


def test_conformance_skips_nothing(results: list[Outcome]) -> None:
    skipped = [each.name for each in results if each.status == "skipped" and not each.disabled]

    assert not skipped, "what the specification leaves open works here too"
