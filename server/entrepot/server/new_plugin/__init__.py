"""A new plug-in project: names that are good, and files out of templates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from entrepot.core.configuration.model_storage import Storage
from entrepot.core.configuration.shape import fields
from entrepot.core.errors import ConfigurationError
from entrepot.core.plugins import Plugins

_PREFIX = "entrepot-"
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*")
_LONGEST = 50


@dataclass(frozen=True, slots=True)
class Names:
    """What everything in a project is called: package, module, driver and class."""

    package: str
    module: str
    driver: str
    title: str

    @property
    def files(self) -> Mapping[str, str]:
        """The project's files, each with the template that it is made of."""
        return {
            f"{self.module}.py": "driver.py.in",
            "pyproject.toml": "pyproject.toml.in",
            "tests/test_conformance.py": "test_conformance.py.in",
            "README.md": "README.md.in",
            ".gitignore": "gitignore.in",
        }


def names(wanted: str, plugins: Plugins) -> Names:
    """The names of a project for a driver `wanted`, with or without `entrepot-` in front.

    Raises ConfigurationError: if it cannot be a package's and a configuration's name, or is
    taken.
    """
    name = wanted.removeprefix(_PREFIX)
    if len(name) > _LONGEST or _NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"{wanted!r} cannot be the name of a package and of a driver: write lower-case "
            f"letters and digits, a letter first, with single '-' between words, like 'my-tape'"
        )
    words = re.split(r"[-_.]", name)
    driver = "".join(words)  # one word, so that variables like REGISTRY_STORAGE_MYTAPE work
    made = Names(
        package=_PREFIX + "-".join(words),
        module="entrepot_" + "_".join(words),
        driver=driver,
        title="".join(word.capitalize() for word in words),
    )
    if driver in fields(Storage):
        raise ConfigurationError(
            f"{driver!r} is a setting of `storage`, no driver can be called so"
        )
    taken = [
        offer.plugin for offer in plugins.drivers.values() if driver in {offer.name, *offer.aliases}
    ]
    if taken:
        owner = taken[0]
        raise ConfigurationError(
            f"the driver name {driver!r} is taken by plug-in {owner!r}; choose another"
        )
    if find_spec(made.module) is not None:
        raise ConfigurationError(
            f"a module {made.module} is installed already; choose another name"
        )
    return made


def write(made: Names, folder: Path) -> list[Path]:
    """Write a project into a folder that is missing or empty; gives its files.

    Raises ConfigurationError: if there is something, or it cannot be written.
    """
    try:
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            reason = "is there already and not empty; nothing was written"
            raise ConfigurationError(f"{folder} {reason}")
        return list(_written(made, folder))
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {error.filename or folder}: {error.strerror}"
        ) from error


def _written(made: Names, folder: Path) -> Iterator[Path]:
    values = {
        "Class": made.title,
        "DRIVER": made.driver.upper(),
        "bounds": _bounds(version("entrepot")),
        "driver": made.driver,
        "module": made.module,
        "package": made.package,
    }
    for name, template in made.files.items():
        text = files(__name__).joinpath(template).read_text(encoding="utf-8")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(values), encoding="utf-8")
        yield path


def _bounds(installed: str) -> str:
    """From this version up to the next major one, which may change the contract."""
    major, minor, *_ = installed.split(".")
    return f">={major}.{minor},<{int(major) + 1}"
