"""What entries of an index are called, and what may be asked for."""

from __future__ import annotations

import pytest

from entrepot.core.archiving.names import (
    FULL_NAME,
    REF_NAME,
    REPOSITORY,
    Named,
    Selection,
    annotated,
    identity,
    named,
)
from entrepot.core.globs import Globs
from entrepot.core.manifest import OCI_MANIFEST, Descriptor
from entrepot.core.names import Digest, Tag

DIGEST = Digest.of(b"x")


def entry(**annotations: str) -> Descriptor:
    return Descriptor(
        mediaType=OCI_MANIFEST, digest=str(DIGEST), size=1, annotations=annotations or None
    )


@pytest.mark.parametrize(
    ("annotations", "repository", "tag"),
    [
        ({}, None, None),
        ({REF_NAME: "1"}, None, "1"),
        ({REF_NAME: "team/app:1"}, "team/app", "1"),
        ({REF_NAME: "team/app"}, "team/app", None),
        ({REF_NAME: "docker.io/library/alpine:3"}, "library/alpine", "3"),
        ({REF_NAME: "localhost:5000/app:3"}, "app", "3"),
        ({REF_NAME: "localhost/app:3"}, "app", "3"),
        ({REF_NAME: "3", FULL_NAME: "docker.io/library/alpine:3"}, "library/alpine", "3"),
        ({FULL_NAME: f"quay.io/a/b@{DIGEST}"}, "a/b", None),
        ({FULL_NAME: f"quay.io/a/b:2@{DIGEST}"}, "a/b", "2"),
        ({REPOSITORY: "docker.io/library/alpine", REF_NAME: "3"}, "docker.io/library/alpine", "3"),
        ({REPOSITORY: "a/b", REF_NAME: "a/b:3", FULL_NAME: "x/y:4"}, "a/b", "3"),
        ({REPOSITORY: "a/b"}, "a/b", None),
    ],
)
def test_names_of_entries(
    annotations: dict[str, str], repository: str | None, tag: str | None
) -> None:
    assert named(annotations) == Named(repository, tag)


def test_a_tag_alone_names_an_image_while_there_is_one_repository() -> None:
    ours = entry(**{REPOSITORY: "a", REF_NAME: "1"})
    referrer = entry(**{REPOSITORY: "a"})
    (first, second) = annotated([ours, referrer])

    assert first.annotations == {REPOSITORY: "a", REF_NAME: "1", FULL_NAME: "a:1"}
    assert second == referrer

    more = entry(**{REPOSITORY: "b/c", REF_NAME: "1"})
    (first, second) = annotated([first, more])

    assert first.annotations == {REPOSITORY: "a", REF_NAME: "a:1", FULL_NAME: "a:1"}
    assert second.annotations == {REPOSITORY: "b/c", REF_NAME: "b/c:1", FULL_NAME: "b/c:1"}
    (first,) = annotated([first])
    assert (first.annotations or {})[REF_NAME] == "1"


def test_entries_of_others_stay_as_they_are() -> None:
    theirs = entry(**{REF_NAME: "1"})
    ours = entry(**{REPOSITORY: "a", REF_NAME: "1"})

    first, second = annotated([theirs, ours])

    assert first == theirs
    assert (second.annotations or {})[REF_NAME] == "a:1"


def test_what_replaces_what() -> None:
    tagged = entry(**{REPOSITORY: "a", REF_NAME: "1"})
    full = entry(**{REPOSITORY: "a", REF_NAME: "a:1", FULL_NAME: "a:1"})

    assert identity(tagged) == identity(full) == ("a", "1", None)
    assert identity(entry(**{REPOSITORY: "a"})) == ("a", None, str(DIGEST))
    assert identity(entry(**{REF_NAME: "1"})) == (None, "1", str(DIGEST))


@pytest.mark.parametrize(
    ("text", "name", "tag", "matches"),
    [
        ("team/app", "team/app", "any", True),
        ("team/app", "team/other", "any", False),
        ("team/app:1", "team/app", "1", True),
        ("team/app:1", "team/app", "12", False),
        ("team/app:1.*", "team/app", "1.2", True),
        ("team/**", "team/a/b", "x", True),
        ("**:latest", "a/b", "latest", True),
        ("**:latest", "a/b", "later", False),
    ],
)
def test_selections(text: str, name: str, tag: str, *, matches: bool) -> None:
    selection = Selection.parse(text)

    is_there = Globs([selection.repositories]).match(name, "")
    assert (is_there and selection.has_tag(Tag(tag))) is matches
    assert selection.digest is None


def test_selection_of_a_digest() -> None:
    assert Selection.parse(f"team/app@{DIGEST}").digest == DIGEST
    assert Selection.parse(f"team/app:1@{DIGEST}").digest == DIGEST


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Team/app", "no capital letters"),
        ("team/app:", "a tag is missing"),
        ("team/app@sha256:short", "invalid digest"),
        ("{user}/app", "nobody is {user} here"),
        ("team//app", "a part is empty"),
    ],
)
def test_what_is_no_selection(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Selection.parse(text)
