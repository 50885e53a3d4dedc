"""`REGISTRY_*` variables over what the file says, in the order of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from entrepot.core.configuration import resolving, yaml_source
from entrepot.core.configuration.dialects import spell_out
from entrepot.core.configuration.mistakes import nearest
from entrepot.core.configuration.model import Configuration
from entrepot.core.configuration.reading import read_text
from entrepot.core.configuration.resolving import Target
from entrepot.core.configuration.shape import Known, Leaf, known_paths
from entrepot.core.configuration.tree import Items, Path, Scalar, Table, Tree, is_null, step
from entrepot.core.errors import ConfigurationError

PREFIX = "REGISTRY_"
CONFIGURATION_PATH = "REGISTRY_CONFIGURATION_PATH"
_NOT_KEYS = {CONFIGURATION_PATH, "REGISTRY_VERSION"}
_FILE = "_FILE"
_SERVICE_LINK = re.compile(
    r"REGISTRY_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?"
    r"|PORT_[0-9]+_(?:TCP|UDP)(?:_(?:ADDR|PORT|PROTO))?)=.*"
    r"|REGISTRY_(?:\w+_)?PORT=(?:tcp|udp)://.*",
    re.DOTALL,
)


@dataclass(slots=True)
class Overriding:
    """One application of the environment to a tree; it collects what is wrong."""

    tree: Table
    top: Known
    notes: list[str] = field(default_factory=list[str])
    mistakes: list[str] = field(default_factory=list[str])
    service_links: list[str] = field(default_factory=list[str])

    def apply(self, environ: Mapping[str, str]) -> None:
        """Change the tree as the variables say, shorter names first."""
        for name in _in_order(environ):
            try:
                self._apply_one(name, environ)
            except ConfigurationError as error:
                self.mistakes.extend(f"{name}: {mistake}" for mistake in error.mistakes)
        if self.service_links:
            self.notes.append(_service_links(self.service_links))

    def _apply_one(self, name: str, environ: Mapping[str, str]) -> None:
        words = tuple(name.removeprefix(PREFIX).upper().split("_"))
        target = resolving.resolve(self.top, self.tree, words, create=False)
        if target is None and name.endswith(_FILE):
            named = resolving.resolve(self.top, self.tree, words[:-1])
            if named is not None and isinstance(named.shape, Leaf):
                self._apply_content(name, named, environ)
                return
        if target is None and _SERVICE_LINK.fullmatch(f"{name}={environ[name]}"):
            self.service_links.append(name)
            return
        target = target or resolving.resolve(self.top, self.tree, words)
        if target is not None:
            place(self.tree, target.path, self._value(name, target, environ[name]))
            spell_out(self.tree)
        else:
            self.notes.append(_unrecognised(name))

    def _apply_content(self, name: str, target: Target, environ: Mapping[str, str]) -> None:
        if environ.get(shorter := name.removesuffix(_FILE)):
            raise ConfigurationError(f"{shorter} is set, too; unset one of them")
        text = _content(environ[name])
        place(self.tree, target.path, Scalar(text, text, f"environment {name}"))

    def _value(self, name: str, target: Target, text: str) -> Tree:
        origin = f"environment {name}"
        is_value = isinstance(target.shape, Leaf)
        try:
            tree, _ = yaml_source.parse(text, lambda _: origin)
        except ConfigurationError:
            if not is_value:
                raise ConfigurationError("not YAML; put the value in quotes") from None
            return Scalar(text, text, origin)
        if not is_value:
            return tree
        if not isinstance(tree, Scalar) and not target.is_free:
            return Scalar(text, text, origin)
        if isinstance(tree, Scalar) and " #" in text and tree != text:
            self.notes.append(f"{name}: what follows ' #' is a comment; quote the value to keep it")
        return tree


def _in_order(environ: Mapping[str, str]) -> list[str]:
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in _NOT_KEYS)


def _service_links(names: list[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (
        f"{names[0]}{more}: ignored, set by Kubernetes or Docker for a service whose name "
        "begins with 'registry'; set `enableServiceLinks: false` to be rid of them"
    )


def _content(path: str) -> str:
    try:
        return read_text(path).removesuffix("\n")
    except ConfigurationError as error:
        reason = str(error).removeprefix("cannot be read: ")
        raise ConfigurationError(f"cannot read the file that it names: {reason}") from None


def _unrecognised(name: str) -> str:
    meant = nearest(name, names(), likeness=0.8)
    hint = f"; did you mean {meant}?" if meant else ""
    return f"{name}: unrecognised environment variable, ignored{hint}"


def names() -> Iterator[str]:
    """The names of all variables whose keys are known, as the file spells them."""
    for path in known_paths(Configuration):
        yield PREFIX + "_".join(path).upper()


def place(tree: Table, path: Path, value: Tree) -> None:
    """Put a value at a path, making what is missing above it."""
    at: Tree = tree
    for key, following in pairwise(path):
        under = step(at, key)
        if under is None or is_null(under):
            under = Items(value.origin) if isinstance(following, int) else Table(value.origin)
            _put(at, key, under)
        at = under
    _put(at, path[-1], value)


def _put(at: Tree, key: str | int, value: Tree) -> None:
    if isinstance(at, Table):
        at[str(key)] = value
    elif isinstance(at, Items) and isinstance(key, int):
        at[key : key + 1] = [value]
