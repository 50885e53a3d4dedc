"""What the registry takes and lists: `validation`, `policy`, `catalog`, `tags`."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, field_validator

from entrepot.core.configuration.model_base import Plugged, Section, Variable
from entrepot.core.configuration.model_tags import TagRule

_MOST_ENTRIES = 1000


def _is_regular(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error.msg}; see Python's `re`") from None
    return text


Regular: TypeAlias = Annotated[str, AfterValidator(_is_regular)]


class Urls(Section):
    """URLs that layers of a manifest may name; none, if both lists are empty."""

    allow: tuple[Regular, ...] = ()
    """Regular expressions, one of which must match; empty: none does."""
    deny: tuple[Regular, ...] = ()
    """Regular expressions, none of which may match."""


class Platform(Section):
    """A platform of an index."""

    architecture: str = ""
    """Its architecture."""
    os: str = ""
    """Its operating system."""


class Indexes(Section):
    """Which images of an index must exist when it is pushed."""

    platforms: Literal["all", "none", "list"] = "all"
    """Those of all platforms, of none, or of those in `platformlist`."""
    platformlist: tuple[Platform, ...] = ()
    """The platforms of `list`."""


class Manifests(Section):
    """Checks of manifests."""

    urls: Urls = Urls()
    """URLs that layers may name."""
    indexes: Indexes = Indexes()
    """Which images of an index must exist."""


class Validation(Section):
    """Checks of what is pushed."""

    enabled: bool | None = None
    """Deprecated: write `validation.disabled`."""
    disabled: bool = False
    """Do not check manifests."""
    manifests: Manifests = Manifests()
    """Checks of manifests."""


class RepositoryPolicy(Section):
    """What repositories may hold."""

    classes: tuple[str, ...] = ()
    """Classes of content, such as `image` and `plugin`; empty: all."""


class Policy(Section):
    """What may be pushed."""

    repository: RepositoryPolicy = RepositoryPolicy()
    """What repositories may hold."""
    admission: tuple[Plugged, ...] = ()
    """Plug-ins that admit or refuse each manifest, all of which must admit it."""
    tags: tuple[TagRule, ...] = ()
    """Which tags stay as they are, and which go in time."""


class Catalog(Section):
    """The list of repositories."""

    maxentries: int = _MOST_ENTRIES
    """Most entries of one answer."""

    @field_validator("maxentries")
    @classmethod
    def _default_below_one(cls, number: int) -> int:
        return number if number > 0 else _MOST_ENTRIES


class Tags(Section):
    """The list of a repository's tags."""

    maxtags: int = Field(default=_MOST_ENTRIES, ge=0)
    """Most tags of one answer; 0: the default."""

    @field_validator("maxtags")
    @classmethod
    def _default_for_zero(cls, number: int) -> int:
        return number or _MOST_ENTRIES


class Bugsnag(Section):
    """Reports to Bugsnag, which Distribution 3 dropped."""

    apikey: str = ""
    """Not used."""
    releasestage: str = ""
    """Not used."""
    endpoint: str = ""
    """Not used."""


class NewRelic(Section):
    """Reports to New Relic, which Distribution 3 dropped."""

    licensekey: str = ""
    """Not used."""
    name: str = ""
    """Not used."""
    verbose: bool = False
    """Not used."""


class Reporting(Section):
    """Reports of errors, which Distribution 3 dropped."""

    bugsnag: Bugsnag = Bugsnag()
    """Not used."""
    newrelic: NewRelic = NewRelic()
    """Not used."""


class Schema1(Section):
    """Manifests of schema 1, which Distribution 3 dropped."""

    signingkeyfile: Annotated[str, Variable("TRUSTKEY")] = ""
    """Not used."""
    enabled: bool = False
    """Not used."""


class Compatibility(Section):
    """What Distribution 3 dropped."""

    schema1: Schema1 = Schema1()
    """Manifests of schema 1."""
