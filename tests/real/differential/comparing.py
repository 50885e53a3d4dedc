"""Answers of two servers beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.real.differential.playing import Aspects

__all__ = ["Found", "compare"]


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is not the same in two answers: `step` is `setup/scenario/request`.

    The aspect is `outcome` where status, codes or the kind of an error differ; only answers of
    the same outcome are compared further.
    """

    step: str
    aspect: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        return f"{self.step}: {self.aspect}: theirs {self.theirs!r}, ours {self.ours!r}"


def compare(
    where: str, theirs: Mapping[str, Aspects], ours: Mapping[str, Aspects]
) -> Iterator[Found]:
    """Each aspect that differs. Both sides have played the same requests."""
    assert list(theirs) == list(ours)
    for name, left in theirs.items():
        step, right = f"{where}/{name}", ours[name]
        if outcome(left) != outcome(right):
            yield Found(step, "outcome", outcome(left), outcome(right))
            continue
        for aspect in dict.fromkeys((*left, *right)):
            if left.get(aspect, "") != right.get(aspect, ""):
                yield Found(step, aspect, left.get(aspect, ""), right.get(aspect, ""))


def outcome(answer: Aspects) -> str:
    """Status and codes of an answer, `text` for an error that is none of the specification's."""
    parts = [answer["status"], *json.loads(answer.get("codes", "[]"))]
    if answer["status"] >= "400" and answer.get("header content-type", "").startswith("text/"):
        parts.append("text")
    if "broken off" in answer:
        parts.append("broken off")
    return " ".join(parts)
