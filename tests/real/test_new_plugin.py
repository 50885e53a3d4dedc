"""What `entrepot plugins new` writes works where only a wheel of the registry is installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.real.clients import COPIERS
from tests.real.programs import clean_environment, run
from tests.real.servers import Server
from tests.tools.images import Image

ROOT = Path(__file__).parents[2]
NAME = "my-tape"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The registry as it is published."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT, timeout=300)
    (built,) = folder.glob("entrepot-*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with that wheel alone, and its extra for tests."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder, timeout=120)
    pip = folder / "bin" / "pip"
    run(pip, "install", "-q", f"{wheel}[testing]", timeout=600)
    return folder / "bin"


@pytest.fixture(scope="module")
def project(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project, installed as its author is told to."""
    folder = tmp_path_factory.mktemp("projects")
    made = folder / "entrepot-my-tape"
    said = run(programs / "entrepot", "plugins", "new", NAME, "--directory", made)
    assert f"cd {made}" in said
    run(programs / "pip", "install", "-q", "-e", f"{made}[test]", timeout=600)
    return made


@pytest.fixture(scope="module")
def server(
    programs: Path,
    project: Path,
    start_server: Callable[..., Server],
    tmp_path_factory: pytest.TempPathFactory,
) -> Server:
    """A registry on the new driver."""
    assert project.is_dir()
    store = tmp_path_factory.mktemp("store") / "registry.db"
    storage: Mapping[str, object] = {"mytape": {"path": str(store)}}
    return start_server([str(programs / "entrepot")], {"storage": storage})


def test_project_is_listed(programs: Path, project: Path) -> None:
    listed = run(programs / "entrepot", "drivers")

    (row,) = [line.split() for line in listed.splitlines() if line.startswith("mytape")]
    assert row == ["mytape", "entrepot-my-tape", "0.1.0", "ok"]
    assert project.is_dir()


def test_project_passes_its_own_tests(programs: Path, project: Path) -> None:
    done = subprocess.run(
        [programs / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert " passed" in done.stdout


def test_projects_table_of_parameters_is_up_to_date(programs: Path, project: Path) -> None:
    before = (project / "README.md").read_text(encoding="utf-8")

    run(programs / "entrepot", "drivers", "document", project / "README.md")

    assert (project / "README.md").read_text(encoding="utf-8") == before


def test_live_check_of_the_new_driver(programs: Path, project: Path, tmp_path: Path) -> None:
    assert project.is_dir()
    env = clean_environment() | {
        "REGISTRY_STORAGE": "mytape",
        "REGISTRY_STORAGE_MYTAPE_PATH": str(tmp_path / "registry.db"),
    }

    said = run(programs / "entrepot", "drivers", "check", env=env)

    assert "mytape: every promise is kept" in said


def test_images_are_pushed_to_the_new_driver_and_pulled(
    server: Server,
    image: Callable[[str], Image],
    repository: str,
    env: dict[str, str],
    tmp_path: Path,
) -> None:
    pushed = image("multi")
    skopeo = COPIERS["skopeo"]
    reference = f"{server.address}/{repository}:1"

    skopeo.push(pushed, reference, env)
    skopeo.pull(reference, tmp_path / "pulled", env)

    blobs = tmp_path / "pulled" / "blobs" / "sha256"
    held = {f"sha256:{path.name}" for path in blobs.iterdir()}
    assert pushed.blobs | pushed.manifests <= held
