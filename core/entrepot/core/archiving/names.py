"""Names in an index: which repository and tag an entry is, in our terms and in others'.

`org.opencontainers.image.ref.name` is how skopeo, oras and regctl choose an image, and all of
them want a tag there; so it is one as long as a layout has one repository. With several, tags
may be the same, and it is the full name. `io.containerd.image.name` is the full name for
containerd and docker. Only our own annotation says for certain what is the repository: another
full name may begin with a host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate

from entrepot.core.errors import DigestInvalidError
from entrepot.core.globs import USER, Glob
from entrepot.core.manifest import Descriptor, Manifest
from entrepot.core.names import Digest, RepositoryName, Tag

REF_NAME = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"
REPOSITORY = "vnd.entrepot.repository"


@dataclass(frozen=True, slots=True)
class Named:
    """What an entry of an index is called; None: it does not say."""

    repository: str | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What to export: repositories by a pattern, and of them tags by one, or a digest; else all
    tags.
    """

    text: str
    repositories: Glob
    tags: re.Pattern[str] | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Selection:
        """`team/app`, `team/app:1`, `team/**`, `team/app:v1.*` or `team/app@sha256:…`.

        Raises ValueError: saying what is wrong.
        """
        name, at, digest = text.partition("@")
        slash, colon = name.rfind("/"), name.rfind(":")
        tag = ""
        if colon > slash:
            name, tag = name[:colon], name[colon + 1 :]
            if not tag:
                raise ValueError("a tag is missing behind the colon")
        glob = Glob.parse(name)
        if glob.names_user:
            raise ValueError(f"nobody is {USER} here")
        if not at:
            return cls(text, glob, re.compile(translate(tag)) if tag else None)
        try:
            return cls(text, glob, None, Digest.parse(digest))
        except DigestInvalidError as error:
            raise ValueError(error.message) from None

    def has_tag(self, tag: Tag) -> bool:
        return self.tags is None or self.tags.fullmatch(tag.text) is not None


def named(annotations: Mapping[str, str]) -> Named:
    """What an entry is called by its annotations."""
    reference = annotations.get(REF_NAME, "")
    repository = annotations.get(REPOSITORY)
    if repository is not None:
        return Named(repository, reference.rpartition(":")[2] or None)
    full = annotations.get(FULL_NAME) or reference
    if "/" not in full and ":" not in full:
        return Named(None, reference or None)
    name, _, _ = full.partition("@")
    if name.rfind(":") > name.rfind("/"):
        name, _, tag = name.rpartition(":")
    else:
        tag = ""
    return Named(_without_host(name), tag or None)


def parsed(name: Named) -> tuple[RepositoryName | None, Tag | None]:
    """Raises NameInvalidError, TagInvalidError."""
    repository = None if name.repository is None else RepositoryName.parse(name.repository)
    return repository, None if name.tag is None else Tag.parse(name.tag)


def entry_of(manifest: Manifest, repository: RepositoryName, tag: Tag | None) -> Descriptor:
    """An entry of an index, with what only we read of it."""
    annotations = {REPOSITORY: repository.text} | ({REF_NAME: tag.text} if tag else {})
    return Descriptor.model_validate(manifest.descriptor() | {"annotations": annotations})


def annotated(entries: Sequence[Descriptor]) -> list[Descriptor]:
    """Entries with the annotations that others read, as all of them together allow.

    Those that are ours say which repository and tag they are; others stay as they are.
    """
    repositories = {(entry.annotations or {}).get(REPOSITORY) for entry in entries}
    is_one = len(repositories) == 1
    return [_annotated(entry, is_one=is_one) for entry in entries]


def identity(entry: Descriptor) -> tuple[str | None, ...]:
    """What two entries of which one replaces the other have in common."""
    annotations = entry.annotations or {}
    if REPOSITORY not in annotations:
        return (None, annotations.get(REF_NAME), entry.digest)
    name = named(annotations)
    return (name.repository, name.tag, None if name.tag else entry.digest)


def _annotated(entry: Descriptor, *, is_one: bool) -> Descriptor:
    annotations = entry.annotations or {}
    repository, tag = annotations.get(REPOSITORY), named(annotations).tag
    if repository is None or tag is None:
        return entry
    full = f"{repository}:{tag}"
    more = {REF_NAME: tag if is_one else full, FULL_NAME: full}
    return entry.model_copy(update={"annotations": annotations | more})


def _without_host(name: str) -> str:
    """As docker tells a host from a part of a name: by its dot or port."""
    first, slash, rest = name.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return rest if is_host else name
