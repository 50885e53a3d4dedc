"""Patterns of repository names: `*` within a part of a name, `**` across parts, `{user}`; and
of tags, which have no parts: `*` stands for any text there.

Matching takes time in proportion to the name, whatever the pattern: what a star stands for is
never reconsidered once the text behind it was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

USER = "{user}"
"""Stands, as a whole part, for the name of the user who asks."""

PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
"""What may stand between two slashes of a repository's name."""

_ACROSS = "**"
_LONGEST = 255
_LONGEST_TAG = 128
_ALLOWED_OF_TAGS = re.compile(r"[a-zA-Z0-9._*-]+", re.ASCII)
_ALLOWED = re.compile(r"[a-z0-9._*-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern that was parsed: its parts, which slashes separate."""

    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Glob:
        """Raises ValueError: saying what is wrong with it and what to write."""
        if len(text) > _LONGEST:
            raise ValueError(f"longer than the {_LONGEST} characters of a repository's name")
        parts = text.split("/")
        if not all(parts):
            raise ValueError("a part is empty; write it like team/app, without a slash at an end")
        for part in parts:
            if problem := _problem(part):
                raise ValueError(problem)
        return cls(tuple(parts))

    @property
    def names_user(self) -> bool:
        return USER in self.parts

    def enters(self, folder: tuple[str, ...], user: str) -> bool:
        """Whether it matches `folder` or any name below it, `folder` being a name's parts."""
        for part, name in zip(self.parts, folder, strict=False):
            if part == _ACROSS:
                return True
            if part == USER:
                if name != user:
                    return False
            elif not re.fullmatch(_part(part), name):
                return False
        return len(folder) <= len(self.parts)

    def __str__(self) -> str:
        return "/".join(self.parts)


def _problem(part: str) -> str:
    if part in {_ACROSS, USER}:
        return ""
    if _ACROSS in part:
        return "`**` has to stand alone between slashes, like team/**"
    if "{" in part or "}" in part:
        return "`{user}` has to stand alone between slashes, like {user}/**; no others are known"
    if part != part.lower():
        return "repositories' names have no capital letters, so it would match none"
    if not _ALLOWED.fullmatch(part):
        return "only letters, digits, `.`, `_`, `-`, `/`, `*`, `**` and `{user}` are known in it"
    return ""


def tag_glob(text: str) -> re.Pattern[str]:
    """A pattern of tags, compiled.

    Raises ValueError: saying what is wrong with it and what to write.
    """
    if len(text) > _LONGEST_TAG:
        raise ValueError(f"longer than the {_LONGEST_TAG} characters of a tag")
    if not _ALLOWED_OF_TAGS.fullmatch(text):
        raise ValueError("want a pattern of tags: letters, digits, `.`, `_`, `-` and `*`, like v*")
    return re.compile(_part(text), re.ASCII)


class TagGlobs:
    """Several patterns of tags, in order."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._globs = [(text, tag_glob(text)) for text in texts]

    def __bool__(self) -> bool:
        return bool(self._globs)

    def find(self, tag: str) -> str | None:
        """The first pattern that matches."""
        return next((text for text, glob in self._globs if glob.fullmatch(tag)), None)


class Globs:
    """Several patterns, one of which has to match."""

    def __init__(self, globs: Iterable[Glob]) -> None:
        globs = tuple(globs)
        self.globs = globs
        self._plain = _compiled(glob for glob in globs if not glob.names_user)
        self._named = _compiled((glob for glob in globs if glob.names_user), named=True)

    def match(self, name: str, user: str) -> bool:
        """Whether any matches; `{user}` matches no user whose name could be no part of one."""
        if self._plain is not None and self._plain.fullmatch(name):
            return True
        return self._named is not None and self._named.fullmatch(f"{user}\n{name}") is not None

    def enters(self, folder: tuple[str, ...], user: str) -> bool:
        """Whether any matches `folder` or a name below it."""
        return any(glob.enters(folder, user) for glob in self.globs)


def _compiled(globs: Iterable[Glob], *, named: bool = False) -> re.Pattern[str] | None:
    found = [_expression(glob.parts) for glob in globs]
    if not found:
        return None
    user = f"(?P<user>{PART})\n" if named else ""
    return re.compile(f"{user}(?:{'|'.join(found)})", re.ASCII)


def _expression(parts: tuple[str, ...]) -> str:
    """`**` takes as few parts as will do, but behind the last one the name has to end."""
    runs: list[list[str]] = [[]]
    for part in parts:
        if part == _ACROSS:
            runs.append([])
        else:
            runs[-1].append(_part(part))
    first, *others = runs
    if not others:
        return "/".join(first)
    *middle, last = others
    begins = "".join(f"{part}/" for part in first)
    between = "".join(f"(?>(?:[^/]+/)+?{''.join(f'{part}/' for part in run)})" for run in middle)
    ends = f"(?:[^/]+/)+{'/'.join(last)}" if last else "[^/]+(?:/[^/]+)*"
    return begins + between + ends


def _part(part: str) -> str:
    if part == USER:
        return "(?P=user)"
    first, *others = (re.escape(text) for text in part.split("*"))
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>[^/]*?{text})" for text in middle) + f"[^/]*{last}"
