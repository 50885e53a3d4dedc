"""What stands below the keys of a section, as its source says it."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap


def key_texts(section: type) -> dict[str, str]:
    """The text below each key, inherited ones among them; empty where there is no source."""
    texts: dict[str, str] = {}
    for each in reversed(section.__mro__):
        texts |= _own_texts(each)
    return texts


def _own_texts(section: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(section))
    except (OSError, TypeError):  # a class made at run time, or one of C
        return {}
    (defined,) = ast.parse(source).body
    assert isinstance(defined, ast.ClassDef)
    return {
        key.target.id: inspect.cleandoc(below.value.value)
        for key, below in itertools.pairwise(defined.body)
        if isinstance(key, ast.AnnAssign)
        and isinstance(key.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
