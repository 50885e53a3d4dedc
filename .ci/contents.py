"""Compare the built wheel and sdist in a folder with the sources: every module must be there."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOTS = ("core/", "drivers/", "server/")
PACKAGE = tuple(f"{root}entrepot/" for root in ROOTS)  # beside it, drivers/ has other distributions


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True)
    return listed.stdout.splitlines()


def main() -> int:
    folder = Path(sys.argv[1])
    wheel = set(zipfile.ZipFile(next(folder.glob("entrepot-*.whl"))).namelist())
    with tarfile.open(next(folder.glob("entrepot-*.tar.gz"))) as archive:
        sdist = {name.partition("/")[2] for name in archive.getnames()}
    sources = [path for path in tracked() if path.startswith(ROOTS)]
    code = [path for path in sources if path.endswith((".py", "py.typed"))]
    packaged = [path for path in code if path.startswith(PACKAGE)]
    missing = [path for path in packaged if path.split("/", 1)[1] not in wheel]
    missing += [f"sdist: {path}" for path in sources if path not in sdist]
    for path in missing:
        print(f"missing: {path}")
    print(f"{len(packaged)} modules in the wheel, {len(sources)} files in the sdist")
    return 1 if missing else 0


raise SystemExit(main())
