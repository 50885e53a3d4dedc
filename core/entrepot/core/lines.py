"""Text that anybody may have written, fit for one line of a terminal or a log."""

from __future__ import annotations

_LONGEST = 1500
_END = 200  # of these, kept from the end: it says where


def one_line(text: str) -> str:
    """The text without line ends and whatever cannot be printed, and no longer than a page."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - _END]}…{text[-_END:]}"
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
