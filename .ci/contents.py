"""Compare the built wheels and sdist in a folder with the sources: every module must be there."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOTS = ("core/", "drivers/", "server/")
PACKAGE = tuple(f"{root}entrepot/" for root in ROOTS)
PLUGINS = "drivers/entrepot-"  # distributions of their own, one package each


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True)
    return listed.stdout.splitlines()


def place(path: str) -> tuple[str, str]:
    """The distribution that a module is in, as its wheel is called, and where; empty for a test."""
    if path.startswith(PACKAGE):
        return "entrepot", path.split("/", 1)[1]
    if not path.startswith(PLUGINS):
        return "", ""
    _, folder, module = path.split("/", 2)
    name = folder.replace("-", "_")
    return (name, module) if module.startswith(f"{name}/") else ("", "")


def main() -> int:
    folder = Path(sys.argv[1])
    wheels = {path.name: zipfile.ZipFile(path).namelist() for path in folder.glob("*.whl")}
    with tarfile.open(next(folder.glob("entrepot-*.tar.gz"))) as archive:
        sdist = {name.partition("/")[2] for name in archive.getnames()}
    sources = [path for path in tracked() if path.startswith(ROOTS)]
    code = [path for path in sources if path.endswith((".py", "py.typed"))]
    packaged = {path: place(path) for path in code if any(place(path))}
    missing = [
        path
        for path, (name, module) in packaged.items()
        if not any(module in held for wheel, held in wheels.items() if wheel.startswith(f"{name}-"))
    ]
    missing += [f"sdist: {path}" for path in sources if path not in sdist]
    for path in missing:
        print(f"missing: {path}")
    print(f"{len(packaged)} modules in {len(wheels)} wheels, {len(sources)} files in the sdist")
    return 1 if missing else 0


raise SystemExit(main())
