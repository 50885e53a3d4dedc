"""The access policy where it is written: in the configuration, or in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from entrepot.core.configuration import yaml_source
from entrepot.core.configuration.mistakes import line, translated
from entrepot.core.configuration.model import Configuration
from entrepot.core.configuration.model_access import AccessRules, policy_mistakes
from entrepot.core.configuration.tree import Table, origin_at
from entrepot.core.errors import ConfigurationError


def rules_of(configuration: Configuration) -> AccessRules | None:
    """The access policy in effect; None: there is none.

    Raises ConfigurationError: as `read_rules`.
    """
    access = configuration.access
    if access.file:
        return read_rules(access.file)
    return access if access.rules else None


def read_rules(path: str) -> AccessRules:
    """The access policy of a file.

    Raises ConfigurationError: with every mistake in it, each with its path and line.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no path"
        raise ConfigurationError(f"access.file: {path} cannot be read: {reason}") from None
    return parse_rules(path, content)


def parse_rules(path: str, content: bytes) -> AccessRules:
    """The access policy that is the content of the file `path`. Raises as `read_rules`."""
    try:
        text = content.decode("utf-8-sig")
    except ValueError:
        raise ConfigurationError(f"access.file: {path} is not UTF-8 text") from None
    tree, notes = yaml_source.parse(text, lambda number: f"file {path} line {number}")
    if notes:
        raise ConfigurationError(*notes)
    if not isinstance(tree, Table):
        raise ConfigurationError(f"access.file: {path} holds no policy; begin with `rules:`")
    try:
        rules = AccessRules.model_validate(tree)
    except ValidationError as error:
        raise ConfigurationError(*translated(error, AccessRules, tree)) from None
    found = [line(at, told, origin_at(tree, at)) for at, told in policy_mistakes(rules)]
    if found:
        raise ConfigurationError(*found)
    return rules


def access_mistakes(configuration: Configuration, tree: Table) -> Iterator[str]:
    """What is wrong with the policy that a well-formed configuration has or names."""
    access = configuration.access
    if access.file:
        if access.rules or access.groups:
            told = "there are `rules` or `groups` besides; keep the file or them"
            yield line(("access", "file"), told, origin_at(tree, ("access", "file")))
        try:
            read_rules(access.file)
        except ConfigurationError as error:
            yield from error.mistakes
    elif "access" in configuration.model_fields_set:
        for path, told in policy_mistakes(access):
            at = ("access", *path)
            yield line(at, told, origin_at(tree, at))
