"""A pytest plug-in: the suite with a mebibyte of 64 KiB, a sixteenth of all that it moves.

What is large, in the suite and in the broken drivers, is so by this measure; so all mistakes
stay in reach, and the memory of a dictionary has no part size of its own. It has to come before
the suite is imported: `-p tests.core.testing.small`.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import entrepot.core.driver

_SUITE = "entrepot.core.testing"
_NAME = f"{_SUITE}.material"
_MIB = 64 * 1024


def _shrink() -> None:
    assert _SUITE not in sys.modules, "the suite has its sizes already"
    core = Path(entrepot.core.driver.__file__).parent
    spec = spec_from_file_location(_NAME, core / "testing" / "material.py")
    assert spec is not None
    assert spec.loader is not None
    material: Any = module_from_spec(spec)
    spec.loader.exec_module(material)
    shrunk = material.MIB // _MIB
    material.LARGE = material.LARGE // material.MIB * _MIB + material.LARGE % material.MIB
    material.MIB = _MIB
    material.pieces.__defaults__ = tuple(size // shrunk for size in material.pieces.__defaults__)
    material.__doc__ += "PYTEST_DONT_REWRITE"  # it is imported already, and asserts nothing
    sys.modules[_NAME] = material


_shrink()
